"""Makes signed return addresses without dsnd: what dsnd-mta(7) describes, in Python. Nothing but the standard library.

    python3 return_address.py KEYS_FILE bounces bounce.example.net jane@example.com
"""

import base64
import hashlib
import hmac
import re
import sys
import time

DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
LOCAL_MAX = 64
PLAIN = re.compile(r"[a-z0-9_+=-]+(\.[a-z0-9_+=-]+)*@[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def read_keys(path):
    """The key that signs: its id and its bytes."""
    with open(path, encoding="ascii") as file:
        for line in file:
            name, equals, key = line.strip().partition("=")
            if equals and not name.startswith("#"):
                return name.strip(), bytes.fromhex(key.strip())
    raise ValueError(f"{path}: there is no key")


def token(key_id, key, address, expires_at, use="dsnd verp 1"):
    """21 characters that prove `address`, until a time in seconds since 1970."""
    hours = -(-int(expires_at) // 3600)
    head = key_id + "".join(DIGITS[hours >> shift & 31] for shift in (15, 10, 5, 0))
    mac = hmac.new(key, "\n".join((use, head, address)).encode(), hashlib.sha256).digest()
    return head + base64.b32encode(mac[:10]).decode().lower()


def return_address(key_id, key, address, user, domain, expires_at, delimiter="+"):
    address = address.lower()
    local = user + delimiter + token(key_id, key, address, expires_at)
    told = local + "-" + "=".join(address.rsplit("@", 1))
    if PLAIN.fullmatch(address) and len(told) <= LOCAL_MAX:
        local = told
    return f"{local}@{domain}"


if __name__ == "__main__":
    keys, user_name, domain_name, *recipients = sys.argv[1:]
    for recipient in recipients:
        print(return_address(*read_keys(keys), recipient, user_name, domain_name, time.time() + 30 * 86400))
