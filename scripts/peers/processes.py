# SPDX-License-Identifier: Apache-2.0
"""The processes that take samples. Each runs only while it is asked: in between it is stopped, so that threads that spin
for work take nothing from the others."""

import ctypes
import glob
import json
import os
import select
import signal
import subprocess
import time


class Gone(Exception):
    """The process ended or took too long."""


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In a child before it starts: it may be stopped when we are killed, and would then stay for ever."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    def __init__(self, command, environment, log):
        self.process = subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                        env={**os.environ, **environment}, preexec_fn=die_with_parent)
        self.buffer = b""

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def waited(self):
        """Nanoseconds that its threads stood ready without a processor."""
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            try:
                with open(path) as file:
                    total += int(file.read().split()[1])
            except (OSError, IndexError, ValueError):
                pass  # the thread is gone, or the kernel does not count
        return total

    def ask(self, line, timeout):
        """One line for one line; the process stays resumed."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as problem:
            raise Gone("the process ended") from problem
        end = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise Gone(f"no answer in {timeout:.0f} s")
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            if not read:
                raise Gone("the process ended")
            self.buffer += read
        answer, self.buffer = self.buffer.split(b"\n", 1)
        return answer.decode()

    def end(self):
        try:
            self.process.kill()
            self.process.wait()
        finally:
            for pipe in (self.process.stdin, self.process.stdout):
                pipe.close()


class Failure(Exception):
    """What a process said it could not do."""


class Ours(Process):
    """fused-bench --serve."""

    def __init__(self, program, threads, log):
        super().__init__([program, "--serve", "--threads", str(threads)], {}, log)

    def command(self, line, timeout=600):
        answer = self.ask(line, timeout)
        if answer.startswith("error "):
            raise Failure(answer[6:])
        return answer.split()[1:]


class Peer(Process):
    """worker.py with the module of a peer."""

    def __init__(self, python, module, environment, log):
        worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        super().__init__([python, worker, module], environment, log)

    def command(self, timeout=600, **command):
        line = self.ask(json.dumps(command), timeout)
        try:
            answer = json.loads(line)
        except ValueError as problem:
            raise Gone(f"an answer that is none: {line[:80]}") from problem
        if "error" in answer:
            raise Failure(answer["error"])
        return answer
