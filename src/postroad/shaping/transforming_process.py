"""The process in which a transform runs: reads events on standard input, answers each on standard output.

    python -P -m postroad.shaping.transforming_process package.module:function SECONDS [FOLDER]

FOLDER holds modules beside the installed ones, which come first: no file in it hides one of them.

It says first whether the function was found, then answers in the order of the events and ends with its input:

    request  4 bytes: length; the body of an event
    answer   1 byte: `What`; 4 bytes: length; the payload of `Made`

Lengths are little-endian. What a function prints goes to standard error. A function that takes more than SECONDS
of processor time for one event, or ten times that by the clock, ends the process from within: the kernel's timer rings,
and what is written then, in place of an answer, is where the function was. Processor time, because a busy
machine must not pass for a slow function.
"""

import faulthandler
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO, Final

from postroad.errors import UsageError
from postroad.shaping.transform import Function, Made, What, call, find_function

LENGTH: Final = struct.Struct("<I")
HEAD: Final = struct.Struct("<BI")
CLOCK_FACTOR: Final = 10
MEMORY: Final = 1 << 30
"""Bytes of memory that a transform may use; more is a MemoryError."""


def main() -> None:
    """Serve until the input ends."""
    requests, answers = _take_streams()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # sent to the whole family at a stop; the end of the input is ours
    for number in (signal.SIGPROF, signal.SIGALRM):
        # Chained to the default, which ends the process; no code of the function's can be in the way.
        faulthandler.register(number, file=answers, all_threads=False, chain=True)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    sys.set_int_max_str_digits(0)  # an event is small enough
    sys.path.extend(sys.argv[3:])
    with suppress(BrokenPipeError):
        _serve(sys.argv[1], float(sys.argv[2]), requests, answers)
    os._exit(0)  # not a moment for threads that the function started


def _serve(place: str, seconds: float, requests: BinaryIO, answers: int) -> None:
    try:
        function = find_function(place)
    except UsageError as error:
        _write(answers, Made(What.WRONG, str(error).encode("utf-8", "backslashreplace")))
        return
    _write(answers, Made(What.EVENT, b""))
    while head := requests.read(LENGTH.size):
        body = requests.read(LENGTH.unpack(head)[0])
        _write(answers, _timed(function, body, seconds))


def _timed(function: Function, body: bytes, seconds: float) -> Made:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * CLOCK_FACTOR)
    made = call(function, body)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return made


def _take_streams() -> tuple[BinaryIO, int]:
    """Keep standard input and output for ourselves: the function may read and print."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), answers


def _write(answers: int, made: Made) -> None:
    data = memoryview(HEAD.pack(made.what, len(made.payload)) + made.payload)
    while data:
        data = data[os.write(answers, data) :]


if __name__ == "__main__":
    main()
