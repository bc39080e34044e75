"""An endpoint for webhooks that costs next to nothing: it holds what it gets until it is told to answer.

``POST /release`` lets it answer from now on, ``GET /count`` says how many posts have been answered, ``POST /hang…`` is
never answered.
"""

import asyncio
import contextlib
import sys

# A caller waits for 60 seconds.
HELD_SECONDS = 50.0
answered = 0
released = asyncio.Event()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global answered
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0
            )
            await reader.readexactly(length)
            body = b""
            if head.startswith(b"POST /release"):
                released.set()
            elif head.startswith(b"GET /count"):
                body = str(answered).encode()
            elif head.startswith(b"POST /hang"):
                await asyncio.sleep(3600)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(released.wait(), HELD_SECONDS)
                answered += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"listens on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
