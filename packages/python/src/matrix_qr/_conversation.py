"""What the helper asks is answered by the person and the keys."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, TypeVar

from . import _helper, _program
from .errors import HelperError
from .keys import BackupKey, Keys, VerifiedDevice
from .person import Code, ConsentLink, Person

StrPath = str | os.PathLike[str]
T = TypeVar("T")


def read(kind: type[T], answer: dict[str, Any], **more: Any) -> T:
    """A dataclass from an answer, which may have more fields."""
    values = {**answer, **more}
    names = (field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]
    try:
        return kind(**{name: values[name] for name in names if name in values})
    except TypeError as error:
        raise HelperError(f"matrix-qr helper sent an incomplete answer: {error}") from None


class Connection:
    """How requests of this package reach a helper: each has one of its own."""

    def __init__(self, program: StrPath | None, allow_loopback_http: bool) -> None:
        self._program = program
        self._allow_loopback_http = allow_loopback_http

    async def request(
        self,
        method: str,
        params: dict[str, Any],
        person: Person | None = None,
        keys: Keys | None = None,
    ) -> dict[str, Any]:
        """The result. Parameters that are `None` are left out."""
        params = {name: value for name, value in params.items() if value is not None}
        if keys is not None:
            params["keys"] = "caller"
        program = _program.find() if self._program is None else os.fspath(self._program)
        answers = _Answers(person, keys)
        async with _helper.started(
            program, self._allow_loopback_http, answers.answer, answers.progress
        ) as helper:
            answer = await helper.request(method, params)
        if not isinstance(answer, dict):
            raise HelperError(f"matrix-qr helper sent another answer to {method} than an object")
        return answer


class _Answers:
    def __init__(self, person: Person | None, keys: Keys | None) -> None:
        self._person = person
        self._keys = keys

    async def progress(self, event: dict[str, Any]) -> None:
        if self._person is not None:
            await self._person.progress(event)

    async def answer(self, method: str, params: dict[str, Any]) -> Any:
        if self._person is not None and method in _OF_THE_PERSON:
            return await _OF_THE_PERSON[method](self._person, params)
        if self._keys is not None and method in _OF_THE_KEYS:
            return await _OF_THE_KEYS[method](self._keys, params)
        raise LookupError(f"the helper asks for {method}, which was not expected")


async def _confirm_own_device(person: Person, params: dict[str, Any]) -> dict[str, bool]:
    return {"confirmed": await person.confirm_own_device(params["warning"])}


async def _scan_code(person: Person, params: dict[str, Any]) -> dict[str, str]:
    return {"code": await person.scan_code(params["problem"])}


async def _show_code(person: Person, params: dict[str, Any]) -> None:
    await person.show_code(Code(params["code"], params["drawing"], params["svg"]))


async def _show_check_code(person: Person, params: dict[str, Any]) -> None:
    await person.show_check_code(params["digits"])


async def _enter_check_code(person: Person, _params: dict[str, Any]) -> dict[str, str]:
    return {"digits": await person.enter_check_code()}


async def _open_link(person: Person, params: dict[str, Any]) -> dict[str, bool]:
    link = ConsentLink(params["link"], params["host"], params["warning"])
    return {"opened": await person.open_link(link)}


async def _confirm_user(person: Person, params: dict[str, Any]) -> dict[str, bool]:
    return {"confirmed": await person.confirm_user(params["user_id"])}


async def _device_keys(keys: Keys, params: dict[str, Any]) -> dict[str, Any]:
    return await keys.device_keys(params["user_id"], params["device_id"])


async def _keep(keys: Keys, params: dict[str, Any]) -> None:
    await keys.keep(VerifiedDevice.from_json(params))


async def _secrets(keys: Keys, _params: dict[str, Any]) -> dict[str, Any]:
    secrets = await keys.secrets()
    if isinstance(secrets, BackupKey):
        return {"backup": dict(vars(secrets))}
    return secrets.to_json()


async def _room_keys(keys: Keys, params: dict[str, Any]) -> None:
    await keys.room_keys(params["room_keys"])


_OF_THE_PERSON = {
    "confirm_own_device": _confirm_own_device,
    "scan_code": _scan_code,
    "show_code": _show_code,
    "show_check_code": _show_check_code,
    "enter_check_code": _enter_check_code,
    "open_link": _open_link,
    "confirm_user": _confirm_user,
}

_OF_THE_KEYS = {
    "device_keys": _device_keys,
    "keep": _keep,
    "secrets": _secrets,
    "room_keys": _room_keys,
}
