"""nginx before some servers, as Debian brings it. It asks nobody whether they are ready, but learns by what fails."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.system.haproxy import free_port, until_it_listens

# A host that is gone without a word it leaves to the kernel: `proxy_read_timeout` begins anew with every byte of either
# side, and here the caller's never stop. It takes net.ipv4.tcp_retries2=5 to notice it within seconds.
# What a server does not take (503) or does not answer at all goes to the next one, webhooks too, though they are POST.
# Who comes from elsewhere is told by X-Forwarded-For: the console without a password is for this machine.
SETTINGS = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 4000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
    upstream servers {{
{servers}    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_connect_timeout 500ms;
            proxy_read_timeout 2h;
            proxy_send_timeout 2h;
            proxy_next_upstream error timeout http_503 non_idempotent;
        }}
    }}
}}
"""


class Proxy:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def until_all_are_up(self) -> None:
        """Nothing is known of that here: a server that did not answer is asked again after a second."""


@contextlib.contextmanager
def proxy(folder: Path, ports: Sequence[int]) -> Iterator[Proxy]:
    """Run it; its settings and its log are kept in the folder."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    assert Path(program).exists(), "nginx is missing (Debian, Ubuntu: nginx)"
    port, settings = free_port(), folder / "nginx.conf"
    servers = "".join(f"        server 127.0.0.1:{each} max_fails=1 fail_timeout=1s;\n" for each in ports)
    settings.write_text(SETTINGS.format(folder=folder, port=port, servers=servers))
    process = subprocess.Popen([program, "-c", settings, "-e", folder / "nginx.log"])
    try:
        until_it_listens(port)
        yield Proxy(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)
