"""The program under test, as the other side: `openschannel serve` and `openschannel connect`, and what they report."""

import contextlib
import json
import os
import pathlib
import socket
import ssl
import subprocess
import threading
import time

from tlslite.api import HandshakeSettings, X509CertChain, parsePEMKey

from model import ANY, TLS12
from wire import DATA, PATIENCE, Ended, Peer, Stop

NAME = "localhost"
# A whole flight of connections may be under way in the allocator's pools; a leak of every connection's buffers would be far more.
MEMORY_SLACK_KIB = 8 * 1024


class Serve:
    """`openschannel serve --echo --json`, with its reports by the client's port."""

    def __init__(self, program, certificate, key):
        self.process = subprocess.Popen(
            [program, "serve", "--listen", "127.0.0.1:0", "--echo", "--json", "--cert", certificate, "--key", key],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.trust = ssl.create_default_context(cafile=certificate)
        self.reports = {}
        self.news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        # Behind the first connection, which starts what is started once.
        self.idle = None
        self.serves()
        self.idle = self.holds()[0]

    def _read(self):
        for line in self.process.stdout:
            report = json.loads(line)
            if report["event"] == "connection":
                with self.news:
                    self.reports[int(report["peer"].rsplit(":", 1)[1])] = report
                    self.news.notify_all()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def report(self, port):
        with self.news:
            self.news.wait_for(lambda: port in self.reports, PATIENCE)
            return self.reports.pop(port, None)

    def serves(self):
        """An ordinary client, on OpenSSL: None, or what went wrong."""
        try:
            with self.connect() as plain:
                plain.settimeout(PATIENCE)
                port = plain.getsockname()[1]
                with self.trust.wrap_socket(plain, server_hostname=NAME) as client:
                    client.sendall(b"ordinary")
                    got = b""
                    while len(got) < 8:
                        got += client.recv(8) or b"(end)"
                    client.unwrap().close()
            report = self.report(port)
        except OSError as error:
            return f"an ordinary client: {error}"
        if got != b"ordinary" or report is None or report["read_end"] != "clean":
            return f"an ordinary client got {got!r}; report: {report}"
        return None

    def holds(self):
        """Open files, threads and resident memory in KiB."""
        process = pathlib.Path("/proc") / str(self.process.pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        files = len(os.listdir(process / "fd"))
        return files, int(status["Threads"]), int(status["VmRSS"].split()[0])

    def settled(self):
        """The same, when no connection is open any more; after the bound for hangs, as it is then.

        Nothing tells from outside when a process has let go of a file, so it is looked for again and again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            holds = self.holds()
            if self.idle is None or holds[0] <= self.idle or time.monotonic() > deadline:
                return holds
            time.sleep(0.01)

    def grown(self, before, after):
        """None, or what `serve` holds more than before."""
        files, threads, memory = (b - a for a, b in zip(before, after))
        if files > 0 or threads > 0 or memory > MEMORY_SLACK_KIB:
            return f"grew by {files} open files, {threads} threads and {memory} KiB"
        return None

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Machine:
    """What one worker needs: a server under test, a listener for clients under test, and what it costs to make."""

    def __init__(self, program, directory):
        self.program = program
        self.certificate = str(pathlib.Path(directory) / "cert.pem")
        key = str(pathlib.Path(directory) / "key.pem")
        self.serve = Serve(program, self.certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.chain = X509CertChain()
        self.chain.parsePemList(pathlib.Path(self.certificate).read_text())
        self.key = parsePEMKey(pathlib.Path(key).read_text(), private=True)

    def play(self, case):
        """None if the case came out as expected, or what was different."""
        return self._against_serve(case) if case.role == "client" else self._against_connect(case)

    def _against_serve(self, case):
        with self.serve.connect() as sock:
            port = sock.getsockname()[1]
            peer = Peer(sock, case.plan)

            def talk(turn):
                said = f"ping{turn}".encode()
                peer.send(peer.seal(DATA, said))
                return peer.receive(len(said)) == said

            handshake = peer.handshakeClientCert(settings=settings(case), serverName=NAME, async_=True)
            works = converse(case, peer, handshake, talk, lambda: None)
            forgotten = [point for point in case.plan if point not in peer.asked]
            # `serve` holds on until we have ended too.
            peer.raw.close()
        different = compare(case, peer, works, forgotten, self.serve.report(port))
        lives = self.serve.serves()
        return "; ".join(filter(None, [different, lives])) or None

    def _against_connect(self, case):
        port = self.listener.getsockname()[1]
        client = subprocess.Popen(
            [self.program, "connect", f"127.0.0.1:{port}", "--sni", NAME, "--ca", self.certificate, "--json", "--linger", "5"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

        def end_input():
            with contextlib.suppress(BrokenPipeError):
                client.stdin.close()
            client.stdin = None

        try:
            sock, _ = self.listener.accept()
            with sock:
                peer = Peer(sock, case.plan)

                def talk(turn):
                    said = f"ping{turn}".encode()
                    # One that has ended already has said why.
                    with contextlib.suppress(BrokenPipeError):
                        client.stdin.write(said)
                        client.stdin.flush()
                    heard = peer.receive(len(said))
                    peer.send(peer.seal(DATA, f"pong{turn}".encode()))
                    return heard == said

                handshake = peer.handshakeServerAsync(certChain=self.chain, privateKey=self.key, settings=settings(case))
                works = converse(case, peer, handshake, talk, end_input)
                forgotten = [point for point in case.plan if point not in peer.asked]
            output, errors = client.communicate(timeout=PATIENCE)
        finally:
            if client.poll() is None:
                client.kill()
        works = works and output == b"pong1pong2"
        try:
            report = json.loads(errors.decode().splitlines()[-1])
        except (ValueError, IndexError):
            return f"no report: {errors.decode()!r}"
        different = compare(case, peer, works, forgotten, report)
        code = expected_code(case, report)
        if client.returncode != code:
            different = "; ".join(filter(None, [different, f"exit code {client.returncode}, not {code}"]))
        return different


def converse(case, peer, handshake, talk, end_input):
    """An ordinary conversation, as far as the plan lets it go. Says whether data went both ways twice."""
    works = False
    # Nothing more is done then that could end the connection in another way.
    is_over = lambda: case.expect.read_end in ("failed", "alert") and peer.asked.issuperset(case.plan)
    try:
        try:
            peer.shake(handshake)
            peer.ask("established")
            if is_over():
                peer.listen()
            first = talk(1)
            peer.ask("data")
            if is_over():
                peer.listen()
            works = talk(2) and first
            peer.close_notify()
            peer.ask("closed")
            end_input()
            peer.listen()
        except Stop:
            end_input()
            peer.listen() if peer.session else peer.listen_raw()
    except Ended:
        pass
    return works


def compare(case, peer, works, forgotten, report):
    """None, or what is not as expected."""
    expect, heard, wrong = case.expect, peer.heard, []
    if report is None:
        return f"no report; heard: {heard}"
    if expect.answer != ANY and heard.alert != expect.answer:
        wrong.append(f"alert {heard.alert}, not {expect.answer}")
    for name in ("read_end", "alert", "status", "inside_record"):
        if report[name] != getattr(expect, name):
            wrong.append(f"{name} {report[name]}, not {getattr(expect, name)}")
    if expect.works and not works:
        wrong.append("data does not go both ways")
    if forgotten:
        wrong.append(f"never came to {', '.join(forgotten)}")
    if heard.trouble:
        wrong.append(f"tlslite-ng refuses: {heard.trouble}")
    if heard.end == "silent":
        wrong.append("the program neither answers nor ends")
    if expect.also and not wrong:
        wrong += filter(None, [expect.also(peer, report)])
    return f"{'; '.join(wrong)}; heard: {heard}   [{report['error']}]" if wrong else None


def expected_code(case, report):
    """Of `connect`. Without a connection there is only failure, and the peer's alert."""
    connected = not (report["error"] or "").startswith("no connection")
    return case.expect.code if connected or case.expect.read_end == "alert" else 1


def settings(case):
    chosen = HandshakeSettings()
    chosen.minVersion = chosen.maxVersion = case.version
    chosen.cipherNames = ["aes128gcm"]
    chosen.eccCurves = ["x25519", "secp256r1"]
    chosen.keyShares = ["x25519"]
    chosen.ticket_count = 0
    for name, value in case.settings.items():
        setattr(chosen, name, value)
    return chosen
