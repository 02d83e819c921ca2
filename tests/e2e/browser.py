"""A headless Chromium, spoken to by the DevTools protocol over a pipe: no other module is needed for it."""

import base64
import fcntl
import functools
import json
import os
import select
import shutil
import subprocess
import time

from harness import LIMIT_S, wait_until

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu"]


@functools.cache
def find_chromium():
    """Its path; None where there is none, or where it does not start (in some containers it cannot)."""
    path = shutil.which("chromium")
    try:
        subprocess.run([path or "chromium", *OPTIONS, "--dump-dom", "about:blank"], timeout=LIMIT_S, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return path


class Browser:
    def __init__(self, folder):
        reading, self.out = os.pipe()
        self.into, writing = os.pipe()
        # The browser reads at file descriptor 3 and writes at 4; ours must not be in the way of these.
        low = reading, writing
        reading, writing = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in low)

        def connect():
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self.process = subprocess.Popen(
            [find_chromium(), *OPTIONS, "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={folder}/chromium"],
            close_fds=False, preexec_fn=connect, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in (*low, reading, writing):
            os.close(fd)
        self.rest, self.serial, self.session, self.complaints = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.out)
        os.close(self.into)

    def receive(self):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.into], [], [], LIMIT_S)
            got = os.read(self.into, 1 << 20) if ready else b""
            if not got:
                raise AssertionError("the browser has ended" if ready else "the browser says nothing")
            self.rest += got
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.serial += 1
        request = {"id": self.serial, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.out, json.dumps(request).encode() + b"\0")
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            message = self.receive()
            if message.get("method") == "Log.entryAdded":  # what is refused, what cannot be loaded
                self.complaints.append(message["params"]["entry"]["text"])
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))
            if message.get("id") == self.serial:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]
        raise AssertionError(f"no answer to {method}")

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def go(self, url):
        self.call("Page.navigate", url=url)

    def wait(self, expression):
        return wait_until(lambda: self.evaluate(f"Boolean({expression})"), expression)

    def press(self, key, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                      text=text if kind == "keyDown" else "")

    def look_like(self, width, height, phone=False, scheme="light"):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1,
                  mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path, whole=True):
        """Of the whole page, or of what fits the screen."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
