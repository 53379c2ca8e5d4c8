"""A client that remembers what it was told, for proofs that take a disk away from a server.

Publishes are numbered and answered; confirmed acknowledgements are not used. What was answered with a
sequence is there at every later look, with its own payload, unless a purge that may have happened
took it. Needs nothing beyond the standard library."""

import base64
import json
import os
import random
import signal
import socket
import subprocess
import time


class Server:
    """A server in a process of its own, on a free port of loopback."""

    def __init__(self, program, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [program, "serve", "-a", "127.0.0.1", "-p", str(self.port), "--store_dir", folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.stderr.close()
        self.process.wait()


class Gone(Exception):
    """The server has closed the connection, or never answers."""


class Client:
    def __init__(self, port, patience=20.0):
        deadline = time.monotonic() + patience
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Gone("it does not listen")
                time.sleep(0.02)
        self.file = self.socket.makefile("rb")
        self.send(b'CONNECT {"verbose":false}\r\nSUB r.> 1\r\n')

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error))

    def publish(self, subject, reply, body):
        self.send(b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), reply.encode(), len(body), body))

    def next(self):
        """The next message: its subject and what it says."""
        while True:
            try:
                line = self.file.readline().split()
                if not line:
                    raise Gone("closed")
                if line[0] == b"MSG":
                    body = self.file.read(int(line[-1]) + 2)[:-2]
                    return line[1].decode(), json.loads(body)
                if line[0] == b"PING":
                    self.send(b"PONG\r\n")
            except (OSError, ValueError) as error:
                raise Gone(str(error))

    def ask(self, subject, body=b""):
        self.publish(subject, "r.ask", body)
        while True:
            subject, answer = self.next()
            if subject == "r.ask":
                return answer


class Told:
    """What was told of one stream, over all lives of a server."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.stored = {}
        self.number = 0
        self.maybe_gone = 0

    def payload(self, number):
        filler = random.Random(number)
        return b"%d-" % number + filler.randbytes(filler.randrange(32_000)).hex().encode()

    def create(self, client):
        config = {"name": "S", "subjects": ["s.>"], "duplicate_window": 100_000_000}
        return client.ask("$JS.API.STREAM.CREATE.S", json.dumps(config).encode())

    def load(self, client, acknowledged, refusals):
        """Publishes with many in flight until so many are acknowledged, or so many refused. Says how
        many were refused."""
        sent, refused = {}, 0
        target = len(self.stored) + acknowledged
        while len(self.stored) < target and refused < refusals:
            while len(sent) < 64:
                self.number += 1
                sent[self.number] = True
                client.publish(f"s.{self.number % 7}", f"r.{self.number}", self.payload(self.number))
            refused += self.hear(client, sent)
        return refused

    def hear(self, client, sent=None):
        subject, answer = client.next()
        if subject == "r.ask":
            return 0
        number = int(subject[2:])
        if sent is not None:
            sent.pop(number, None)
        if "error" in answer:
            return 1
        self.stored[answer["seq"]] = number
        return 0

    def purge(self, client, until):
        """Lets go what is before a sequence. Says whether that was done."""
        self.maybe_gone = max(self.maybe_gone, until)
        answer = client.ask("$JS.API.STREAM.PURGE.S", json.dumps({"seq": until}).encode())
        if answer.get("success"):
            for sequence in [own for own in self.stored if own < until]:
                del self.stored[sequence]
        return answer.get("success", False)

    def check(self, client, at_most):
        """Everything that was acknowledged is there; of many, so many are looked at. Says what is not."""
        known = sorted(self.stored)
        looked = known if len(known) <= at_most else self.random.sample(known, at_most) + known[-64:]
        for sequence in looked:
            answer = client.ask("$JS.API.STREAM.MSG.GET.S", json.dumps({"seq": sequence}).encode())
            message = answer.get("message")
            if message is None:
                if sequence < self.maybe_gone and answer["error"]["err_code"] == 10037:
                    del self.stored[sequence]
                    continue
                return f"{sequence} was acknowledged: {answer}"
            if base64.b64decode(message["data"]) != self.payload(self.stored[sequence]):
                return f"{sequence} has another content"
        return None
