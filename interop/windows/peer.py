#!/usr/bin/env python3
"""The peer on the other side of a test under Wine: OpenSSL, through Python's ssl module.

    peer.py serve CERT.pem [options]      prints the port, echoes until the number of bytes, then ends as told
    peer.py connect PORT CA.pem [options]

Options: 12 or 13 (the only version), alpn=a,b, expect-alpn=a, closes (this side sends close_notify first), kilobytes=n;
shakes (a server that only shakes hands).
The side that ends first keeps its socket open until it has the other side's close_notify; exit code 0 says that it came.
"""

import socket
import ssl
import sys


def main():
    role, where, *rest = sys.argv[1:]
    options = set(rest)
    values = dict(option.split("=", 1) for option in rest if "=" in option)
    size = int(values.get("kilobytes", "1")) * 1024
    server = role == "serve"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    if "12" in options:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if "13" in options:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if "alpn" in values:
        context.set_alpn_protocols(values["alpn"].split(","))
    if server:
        context.load_cert_chain(where)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            print(f"port {listener.getsockname()[1]}", flush=True)
            raw, _ = listener.accept()
    else:
        context.load_verify_locations(rest[0])
        raw = socket.create_connection(("127.0.0.1", int(where)))
    raw.settimeout(60)
    # A FIN without close_notify is an error here, and not an end.
    if "shakes" in options:
        # Whether the other side goes on is for the other side to say.
        try:
            context.wrap_socket(raw, server_side=True).recv(1)
        except OSError:
            pass
        return
    stream = context.wrap_socket(raw, server_side=server, server_hostname=None if server else "localhost",
                                 suppress_ragged_eofs=False)
    print(f"{stream.version()} {stream.cipher()[0]} alpn={stream.selected_alpn_protocol()}", flush=True)
    if stream.selected_alpn_protocol() != values.get("expect-alpn"):
        sys.exit("ALPN is not as expected")
    if server:
        left = size
        while left:
            data = stream.recv(min(left, 16384))
            if not data:
                sys.exit("the peer ended too early")
            stream.sendall(data)
            left -= len(data)
    else:
        payload = bytes(at * 7 & 0xFF for at in range(size))
        stream.sendall(payload)
        echo = b""
        while len(echo) < size:
            data = stream.recv(size - len(echo))
            if not data:
                sys.exit("the peer ended too early")
            echo += data
        if echo != payload:
            sys.exit("the echo is not what was sent")
    if "closes" not in options and stream.recv(1):
        sys.exit("there is data behind the end")
    # Sends close_notify, and waits for the peer's where that has not come yet.
    stream.unwrap().close()
    print("close_notify both ways", flush=True)


main()
