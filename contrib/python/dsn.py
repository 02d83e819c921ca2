"""libdsn from Python: reads bounce messages and says what they mean. Needs the shared library, and nothing else.

    import dsn
    reader = dsn.Reader()
    for event in reader.read(open("bounce.eml", "rb").read()):
        print(event["recipient"], event["reason"], event["action"])
    print(reader.classify("550 5.1.1 no such user")["reason"])

Events are those of dsnd-events(7), as dicts. What is declared here is said in include/dsn."""
import ctypes
import json
import os
import time
import weakref
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_void_p


class Error(Exception):
    """What libdsn could not do: the message is empty or no mail at all, or memory ran out."""


class _Strview(ctypes.Structure):
    _fields_ = [("p", POINTER(c_char)), ("n", c_size_t)]

    @classmethod
    def of(cls, data):
        return cls(ctypes.cast(data, POINTER(c_char)), len(data))


class _Field(ctypes.Structure):
    _fields_ = [("name", _Strview), ("value", _Strview)]


class _Original(ctypes.Structure):
    _fields_ = [(name, _Strview) for name in ("message_id", "from_", "to", "subject", "date", "list_id", "feedback_id")] + [
        ("headers", POINTER(_Field)), ("n_headers", c_size_t)]


class _Report(ctypes.Structure):
    _fields_ = [(name, _Strview) for name in ("envelope_id", "reporting_mta", "dsn_gateway", "received_from_mta")] + [
        ("arrival_date", c_int64), ("original", _Original)] + [
        (name, _Strview) for name in ("scope", "feedback_type", "source_ip", "format")] + [
        ("recipients", c_void_p), ("n_recipients", c_size_t)]  # what follows is not looked at


class _Source(ctypes.Structure):
    _fields_ = [("kind", c_char_p), ("name", _Strview), ("number", c_size_t), ("observed_at_ms", c_int64),
                ("headers", POINTER(c_char_p))]


class _Event(ctypes.Structure):
    _fields_ = [("id", c_char * 33)] + [(name, _Strview) for name in ("json", "topic", "address", "domain")]


_FUNCTIONS = {  # name: result, arguments
    "dsn_error_text": (c_char_p, [c_int]),
    "dsn_knowledge_new_builtin": (c_int, [POINTER(c_void_p)]),
    "dsn_knowledge_unref": (None, [c_void_p]),
    "dsn_reader_new": (c_int, [c_void_p, c_void_p, POINTER(c_void_p)]),
    "dsn_reader_free": (None, [c_void_p]),
    "dsn_reader_read": (c_int, [c_void_p, _Strview, POINTER(POINTER(_Report))]),
    "dsn_reader_classify": (c_int, [c_void_p, _Strview, _Strview, POINTER(c_void_p)]),
    "dsn_event_write": (c_int, [c_void_p, c_size_t, POINTER(_Source), POINTER(_Event)]),
}


class Reader:
    """Reads with the built-in knowledge. A thread has a reader of its own."""

    def __init__(self, library="libdsn.so.0"):
        self._lib = ctypes.CDLL(library)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._lib, name)
            function.restype, function.argtypes = result, arguments
        knowledge, self._reader = c_void_p(), c_void_p()
        self._check(self._lib.dsn_knowledge_new_builtin(byref(knowledge)))
        try:
            self._check(self._lib.dsn_reader_new(knowledge, None, byref(self._reader)))
        finally:
            self._lib.dsn_knowledge_unref(knowledge)  # the reader holds it
        weakref.finalize(self, self._lib.dsn_reader_free, self._reader)

    def read(self, message, name=""):
        """The events of a message (bytes), one for each recipient; `name` is that of their source. One of kind "none" where
        the message is no report."""
        report = POINTER(_Report)()
        self._check(self._lib.dsn_reader_read(self._reader, _Strview.of(message), byref(report)))
        return [self._event(i, b"file", os.fsencode(name)) for i in range(max(1, report.contents.n_recipients))]

    def classify(self, text, remote_mta=""):
        """The event of a bounce with this answer of a mail server, whose name is `remote_mta`."""
        data, host = text.encode(), remote_mta.encode()
        self._check(self._lib.dsn_reader_classify(self._reader, _Strview.of(data), _Strview.of(host), byref(c_void_p())))
        return self._event(0, b"text", data)

    def _event(self, i, kind, name):
        event, source = _Event(), _Source(kind, _Strview.of(name), 0, time.time_ns() // 1000000, None)
        self._check(self._lib.dsn_event_write(self._reader, i, byref(source), byref(event)))
        return json.loads(ctypes.string_at(event.json.p, event.json.n))

    def _check(self, error):
        if error:
            raise Error(self._lib.dsn_error_text(error).decode())
