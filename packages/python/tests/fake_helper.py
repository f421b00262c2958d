#!/usr/bin/env python3
"""A helper that does what a test wants: the last part of `directory` names a function of this file.

What both sides said is in the file `directory` + `.log` afterwards, one line for each message:
`{"to": "helper" or "caller", "message": {...}}`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

JsonObject = dict[str, Any]

LINK: JsonObject = {
    "link": "https://account.example.org/link?code=JTNGTN",
    "host": "account.example.org",
    "warning": None,
}
WARNING = "This signs another device in to your account. Support staff never ask for this."
SIGNED_IN = {
    "user_id": "@bot:example.org",
    "device_id": "JML4LTCICTXL2WP35O6V",
    "homeserver": "https://matrix.example.org/",
    "master_key": "nPvj5DkEXCFEoSNVNnKCFN5EMMTEC94G4hdeVbuAYwM",
    "backup": {"connected": True, "version": "1"},
}
BROKEN = {"cause": "this device", "advice": "Try again.", "device_left": None}
CODE = {"code": "TUFU", "drawing": "█▀▀", "svg": "<svg />"}
#: It clears the screen, begins a new line, and turns the text around.
EVIL = "\x1b[2J\n\r\u202e\u2028evil"
#: What is shown of it.
HARMLESS = "\ufffd[2J\ufffd\ufffd\ufffd\ufffdevil"
#: Private keys.
SECRETS = [name * 43 for name in "ABC"]
ROOM_KEY = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "room_id": "!room:example.org",
    "session_id": "id",
    "session_key": "key",
    "sender_key": "key",
    "sender_claimed_keys": {"ed25519": "key"},
    "forwarding_curve25519_key_chain": [],
}


class Caller:
    """The program at the other end."""

    def __init__(self) -> None:
        self.log: Path | None = None
        self.said: list[JsonObject] = []

    def note(self, to: str, message: JsonObject) -> None:
        self.said.append({"to": to, "message": message})
        if self.log is not None:
            self.log.write_text("".join(json.dumps(line) + "\n" for line in self.said))

    def send(self, **message: Any) -> None:
        message = {"jsonrpc": "2.0", **message}
        self.note("caller", message)
        self.write(json.dumps(message) + "\n")

    def wrong(self, **message: Any) -> None:
        """A message that is against the rules."""
        self.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")

    def write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def receive(self) -> JsonObject:
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        message: JsonObject = json.loads(line)
        params = message.get("params", {})
        if "directory" in params:
            self.log = Path(params["directory"] + ".log")
        self.note("helper", message)
        return message

    def until_the_end(self) -> None:
        while sys.stdin.readline():
            pass

    def error(self, request: JsonObject, code: int, message: str, **data: Any) -> None:
        error = {"code": code, "message": message, "data": {**BROKEN, **data}}
        self.send(id=request["id"], error=error)

    def signs_in(self, request: JsonObject) -> None:
        directory = request["params"]["directory"]
        self.send(id=request["id"], result={**SIGNED_IN, "directory": directory})


def works(caller: Caller, login: JsonObject) -> None:
    caller.send(method="progress", params={"event": "checking"})
    caller.send(id=1, method="show_code", params=CODE)
    caller.receive()
    caller.send(id=2, method="show_check_code", params={"digits": "07"})
    caller.receive()
    caller.send(id=3, method="confirm_user", params={"user_id": "@bot:example.org"})
    caller.receive()
    user_code = {"event": "user_code", "user_code": "JTNGTN", "link": LINK["link"], "warning": None}
    caller.send(method="progress", params=user_code)
    caller.signs_in(login)


def grants(caller: Caller, link: JsonObject) -> None:
    caller.send(id=1, method="confirm_own_device", params={"warning": WARNING})
    if not caller.receive()["result"]["confirmed"]:
        return caller.error(link, 3, "you did not confirm that the new device is yours")
    if link["params"].get("scan"):
        for number, problem in ((2, None), (3, EVIL)):
            caller.send(id=number, method="scan_code", params={"problem": problem})
            caller.receive()
        caller.send(id=4, method="show_check_code", params={"digits": "07"})
    else:
        caller.send(id=4, method="enter_check_code", params={})
    caller.receive()
    caller.send(id=5, method="open_link", params=LINK)
    caller.receive()
    result = {**SIGNED_IN, "bound": True, "verified": True, "too_late_to_cancel": False}
    names = ("user_id", "device_id", "bound", "verified", "too_late_to_cancel")
    caller.send(id=link["id"], result={name: result[name] for name in names})


def all_keys(caller: Caller, login: JsonObject) -> None:
    device = {"user_id": "@bot:example.org", "device_id": "JML4LTCICTXL2WP35O6V"}
    caller.send(id=1, method="device_keys", params=device)
    device_keys = caller.receive()["result"]["device_keys"]
    names = ("master_key", "self_signing_key", "user_signing_key")
    kept = {
        **device,
        "homeserver": "https://matrix.example.org/",
        "access_token": "SECRET",
        "expires_at": 1790000000,
        "uploaded": {"one_time_key_counts": {"signed_curve25519": 50}},
        "identity": {"master_key": {}, "self_signing_key": {}, "user_signing_key": {}},
        "device_keys": device_keys,
        "secrets": {"cross_signing": dict(zip(names, SECRETS, strict=True))},
    }
    caller.send(id=2, method="keep", params=kept)
    caller.receive()
    caller.signs_in(login)


def restores(caller: Caller, restore: JsonObject) -> None:
    caller.send(id=1, method="secrets", params={})
    caller.receive()
    caller.send(id=2, method="room_keys", params={"room_keys": [ROOM_KEY]})
    caller.receive()
    caller.send(id=restore["id"], result={"keys": 1, "undecryptable": 2, "outdated": None})


def dies(_caller: Caller, _login: JsonObject) -> NoReturn:
    sys.exit(7)


def is_killed(_caller: Caller, _login: JsonObject) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_a_line(caller: Caller, _login: JsonObject) -> None:
    caller.write('{"jsonrpc": "2.0", "id": 2, "result": {}}')


def dies_while_it_asks(caller: Caller, _login: JsonObject) -> NoReturn:
    caller.send(id=1, method="enter_check_code", params={})
    time.sleep(0.2)
    sys.exit(7)


def dies_with_a_device(caller: Caller, _login: JsonObject) -> NoReturn:
    device = {"user_id": "@bot:example.org", "device_id": "JML4LTCICTXL2WP35O6V"}
    caller.send(id=1, method="device_keys", params=device)
    caller.receive()
    sys.exit(7)


def rubbish(caller: Caller, login: JsonObject) -> None:
    caller.write('{"secret": "SECRET"\n')
    # More than a pipe holds, so that the caller has to read it.
    caller.write(" " * (1 << 20) + "\n")
    caller.until_the_end()
    Path(login["params"]["directory"] + ".cleaned").touch()


def not_a_message(caller: Caller, _login: JsonObject) -> None:
    caller.wrong(id="1", result="SECRET")
    caller.until_the_end()


def answers_another_request(caller: Caller, login: JsonObject) -> None:
    caller.wrong(id=login["id"] + 1, result="SECRET")
    caller.until_the_end()


def too_long(caller: Caller, _login: JsonObject) -> None:
    caller.write(" " * ((1 << 20) + 1) + "\n")
    caller.until_the_end()


def endless(caller: Caller, _login: JsonObject) -> None:
    caller.write(" " * ((1 << 20) + 1))
    caller.until_the_end()


def as_long_as_possible(caller: Caller, login: JsonObject) -> None:
    caller.write(" " * (1 << 20) + "\n")
    caller.signs_in(login)


def half_an_answer(caller: Caller, login: JsonObject) -> None:
    caller.wrong(id=login["id"], result={"user_id": "@bot:example.org"})


def no_object(caller: Caller, login: JsonObject) -> None:
    caller.wrong(id=login["id"], result=None)


def no_error(caller: Caller, login: JsonObject) -> None:
    caller.wrong(id=login["id"], error="SECRET")


def did_not_understand(caller: Caller, _login: JsonObject) -> None:
    caller.send(id=None, error={"code": -32700, "message": "the line is not JSON"})
    caller.until_the_end()


def fails(caller: Caller, login: JsonObject) -> None:
    caller.error(
        login,
        int(login["params"]["homeserver"]),
        "it failed",
        cause="the homeserver",
        advice="Wait.",
        device_left="JML4LTCICTXL2WP35O6V",
    )


def two_questions_at_once(caller: Caller, login: JsonObject) -> None:
    caller.send(id=1, method="show_code", params=CODE)
    caller.send(id=2, method="open_link", params=LINK)
    for _ in range(2):
        caller.receive()
    caller.signs_in(login)


def withdraws(caller: Caller, login: JsonObject) -> None:
    caller.send(id=1, method="enter_check_code", params={})
    time.sleep(0.2)
    caller.send(method="cancel_request", params={"id": 1})
    caller.send(method="cancel_request", params={"id": 1})
    caller.send(method="cancel_request", params={"id": 99})
    caller.send(id=2, method="open_link", params=LINK)
    assert caller.receive()["id"] == 2
    caller.signs_in(login)


def says_what_a_server_said(caller: Caller, login: JsonObject) -> None:
    trouble = {"event": "trouble", "what": EVIL, "side": None}
    caller.send(method="progress", params=trouble)
    backup = {"event": "backup", "connected": False, "why": EVIL}
    caller.send(method="progress", params=backup)
    left = {"event": "left_behind", "what": EVIL, "advice": EVIL}
    caller.send(method="progress", params=left)
    one_line = EVIL.replace("\n", "")
    code = {**CODE, "code": EVIL, "drawing": f"█\n{one_line}"}
    caller.send(id=3, method="show_code", params=code)
    caller.receive()
    caller.send(id=1, method="confirm_user", params={"user_id": f"@{one_line}:example.org"})
    assert caller.receive()["result"] == {"confirmed": True}
    page = {"link": LINK["link"] + EVIL, "host": EVIL, "warning": EVIL}
    caller.send(id=2, method="open_link", params=page)
    assert caller.receive()["result"] == {"opened": True}
    user_code = {"event": "user_code", "user_code": EVIL, "link": LINK["link"], "warning": EVIL}
    caller.send(method="progress", params=user_code)
    caller.error(login, 8, EVIL, cause=EVIL, advice=EVIL, device_left=EVIL)


def lets_a_script_show_what_others_wrote(caller: Caller, login: JsonObject) -> None:
    one_line = EVIL.replace("\n", "")
    caller.send(id=1, method="show_code", params={**CODE, "code": EVIL})
    caller.receive()
    user_code = {"event": "user_code", "user_code": EVIL, "link": LINK["link"], "warning": None}
    caller.send(method="progress", params=user_code)
    caller.send(id=2, method="confirm_user", params={"user_id": f"@{one_line}:example.org"})
    assert caller.receive()["result"] == {"confirmed": True}
    caller.error(login, 8, EVIL)


def asks_too_much(caller: Caller, login: JsonObject) -> None:
    caller.send(id=1, method="secrets", params={})
    error = caller.receive()["error"]
    caller.error(login, 1, error["message"])


def asks_something_new(caller: Caller, login: JsonObject) -> None:
    caller.wrong(id=1, method="make_coffee", params={})
    caller.error(login, 1, caller.receive()["error"]["message"])


def asks_and_takes_the_error(caller: Caller, login: JsonObject) -> None:
    caller.send(id=1, method="enter_check_code", params={})
    caller.error(login, 1, caller.receive()["error"]["message"])


def is_cancelled_and_undone(caller: Caller, login: JsonObject) -> None:
    caller.send(id=1, method="enter_check_code", params={})
    while (cancel := caller.receive()).get("method") != "cancel":
        assert "error" in cancel, cancel
    caller.send(id=cancel["id"], result={"cancelled": True})
    caller.error(login, 3, "cancelled", cause=None)
    caller.until_the_end()


def is_cancelled(caller: Caller, login: JsonObject) -> None:
    caller.send(method="progress", params={"event": "checking"})
    caller.send(id=1, method="enter_check_code", params={})
    while (cancel := caller.receive()).get("method") != "cancel":
        assert "error" in cancel, cancel
    caller.send(id=cancel["id"], result={"cancelled": True})
    time.sleep(0.5)
    Path(login["params"]["directory"] + ".cleaned").touch()
    left = {"event": "left_behind", "what": "the device JML4LTCICTXL2WP35O6V"}
    caller.send(method="progress", params=left)
    caller.error(login, 3, "cancelled", cause=None, device_left="JML4LTCICTXL2WP35O6V")
    caller.until_the_end()


def counts_tokens(caller: Caller, token: JsonObject) -> None:
    """Tokens with the lifetime that the file `directory` + `.lifetime` says."""
    directory = token["params"]["directory"]
    with open(directory + ".count", "a") as count:
        count.write(".")
    number = os.path.getsize(directory + ".count")
    time.sleep(0.2)
    lifetime = json.loads(Path(directory + ".lifetime").read_text())
    result = {
        "access_token": f"SECRET{number}",
        "expires_at": lifetime and int(time.time()) + lifetime,
        "expires_in": lifetime,
        **{name: SIGNED_IN[name] for name in ("user_id", "device_id", "homeserver")},
    }
    caller.send(id=token["id"], result=result)
    Path(directory + ".stored").touch()


def logs_out(caller: Caller, logout: JsonObject) -> None:
    result = {name: SIGNED_IN[name] for name in ("user_id", "device_id")}
    place = f"in your account at {EVIL}" if logout["params"].get("local") else None
    caller.send(id=logout["id"], result={**result, "remove_it": place})


def main() -> None:
    caller = Caller()
    assert sys.argv[1] == "helper"
    initialize = caller.receive()
    assert initialize["method"] == "initialize", initialize
    requests = ["login", "link", "token", "restore_keys", "logout", "cancel"]
    capabilities = {
        "revisions": ["msc4108", "msc4388"],
        "keys": ["store", "caller"],
        "requests": requests,
    }
    result = {"protocol": 1, "version": "0.1.0", "capabilities": capabilities}
    caller.send(id=initialize["id"], result=result)
    request = caller.receive()
    act: Callable[[Caller, JsonObject], None] = globals()[Path(request["params"]["directory"]).name]
    act(caller, request)


if __name__ == "__main__":
    main()
