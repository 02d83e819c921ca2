"""Programs of Debian packages that are too big, or too much of a service, to be installed for a test: taken out of the
package, into a folder beside the builds, and started from there."""

import fcntl
import pathlib
import shutil
import subprocess
import unittest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "build-debs"


def program(package, path):
    """The path of a program of a package, such as usr/bin/promtool of prometheus. Skips the test where the package
    cannot be had."""
    installed = shutil.which(path.split("/")[-1])
    if installed:
        return installed
    there = unpacked(package) / path
    if not there.exists():
        raise unittest.SkipTest(f"the Debian package {package} cannot be had here")
    return str(there)


def unpacked(package):
    """The folder that a package is unpacked in, empty where it cannot be had. One does that, and others wait."""
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / f"{package}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not any((FOLDER / package).glob("*")):
            unpack(package)
    return FOLDER / package


def unpack(package):
    shutil.rmtree(FOLDER / package, True)
    (FOLDER / package).mkdir(parents=True)
    try:
        subprocess.run(["apt-get", "-q", "download", package], cwd=FOLDER / package, timeout=300, check=True,
                       capture_output=True)
        for deb in (FOLDER / package).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", deb, FOLDER / package], check=True, capture_output=True)
            deb.unlink()
    except (OSError, subprocess.SubprocessError):
        pass


def over_usr(*packages):
    """What a command begins with that runs in a mount namespace of its own, with these packages unpacked over /usr."""
    folders = [unpacked(package) / "usr" for package in packages]
    command = ["unshare", "-m", "sh", "-ec", 'mount -t overlay overlay -o "lowerdir=$0:/usr" /usr; exec "$@"',
               ":".join(map(str, folders))]
    if not all(folder.exists() for folder in folders) or subprocess.run([*command, "true"], capture_output=True).returncode:
        raise unittest.SkipTest(f"{', '.join(packages)} cannot be had, or not be mounted here")
    return command
