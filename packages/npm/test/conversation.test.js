// The conversation with the helper, against one that follows a script.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";

import { AccessToken, MatrixQrError, Session, grant, signIn } from "matrix-qr";
import { clientOptions } from "matrix-qr/matrix-js-sdk";

import { Helper } from "../src/helper.js";
import { checkLines } from "./schema.js";
import { folder } from "./folder.js";

const program = fileURLToPath(new URL("fake-helper.js", import.meta.url));
const directory = "/nowhere";
const bot = { program, directory, homeserver: "example.org" };
/** Private keys by their form. */
const [M, S, U] = ["M", "S", "U"].map((letter) => letter.repeat(43));

/** Follow this script, and return what the helper receives. */
function script(name, env = {}) {
  const lines = join(folder(), "lines");
  Object.assign(process.env, { FAKE_HELPER: name, FAKE_HELPER_LINES: lines, ...env });
  const received = () => readFileSync(lines, "utf8").split("\n").filter((line) => line.startsWith(">")).map((line) => JSON.parse(line.slice(1)));
  return Object.assign(received, { check: () => checkLines(readFileSync(lines, "utf8")) });
}

/** A person who answers at once, and remembers what was said. */
function person(changes = {}) {
  const said = [];
  return {
    said,
    confirmOwnDevice: (warning) => said.push(warning) > 0,
    scanCode: (problem) => (said.push(problem), "TUFU"),
    showCode: (code) => void said.push(code),
    showCheckCode: (digits) => void said.push(digits),
    enterCheckCode: () => "07",
    openLink: ({ link, host, warning }) => said.push(link, host, warning) > 0,
    confirmUser: (userId) => said.push(userId) > 0,
    progress: (event) => void said.push(event.event),
    ...changes,
  };
}

function keys(changes = {}) {
  const kept = [];
  const secrets = { masterKey: M, selfSigningKey: S, userSigningKey: U, backup: { algorithm: "a", key: "k", version: "1" } };
  return {
    kept,
    deviceKeys: (user_id, device_id) => ({ device_keys: { user_id, device_id } }),
    keep: (device) => void kept.push(device),
    secrets: () => secrets,
    roomKeys: (list) => void kept.push(list),
    ...changes,
  };
}

const refused = (code, pattern, more = {}) => (error) => {
  assert.ok(error instanceof MatrixQrError, String(error));
  assert.equal(error.code, code);
  assert.match(`${error.message}; ${error.cause}`, pattern);
  for (const [name, value] of Object.entries(more)) assert.deepEqual(error[name], value);
  return true;
};

test("a sign-in with keys of one's own", async () => {
  const lines = script("login");
  const who = person();
  const own = keys();
  const device = await signIn({ ...bot, directory: "/d", deviceName: "bot", person: who, keys: own });
  assert.equal(device.userId, "@bot:example.org");
  assert.equal(device.backupConnected, true);
  assert.equal(device.backupProblem, null);
  assert.equal(device.session.directory, "/d");
  assert.deepEqual(who.said, [
    { code: "TUFUUklY", drawing: "█▀█\n▀▀▀", svg: '<svg xmlns=""/>' }, "connected", "user_code", "@bot:example.org",
  ]);
  assert.equal(own.kept[0].accessToken, "SECRET-token");
  assert.equal(own.kept[0].secrets.backup.key, `SECRETbackup${"A".repeat(31)}`);
  assert.deepEqual(lines(), [
    { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocol: 1 } },
    { jsonrpc: "2.0", id: 2, method: "login", params: { directory: "/d", keys: "caller", homeserver: "example.org", device_name: "bot" } },
    { jsonrpc: "2.0", id: 1, result: null },
    { jsonrpc: "2.0", id: 2, result: { digits: "07" } },
    { jsonrpc: "2.0", id: 3, result: { confirmed: true } },
    { jsonrpc: "2.0", id: 4, result: { device_keys: { user_id: "@bot:example.org", device_id: "DEVICE" } } },
    { jsonrpc: "2.0", id: 5, result: null },
  ]);
  lines.check();
});

test("a grant with secrets of one's own", async () => {
  const lines = script("link");
  const who = person();
  const granted = await grant({ program, directory, scan: true, person: who, keys: keys() });
  assert.deepEqual(granted, { userId: "@bot:example.org", deviceId: "DEVICE", bound: true, verified: true, tooLateToCancel: false });
  assert.match(who.said.shift(), /Support staff never ask/);
  assert.deepEqual(who.said, [null, "the QR code is incomplete", "07", "https://account.example.org/link", "account.example.org", "account.example.org belongs neither to you nor to me."]);
  assert.deepEqual(lines().slice(3, 5).map(({ result }) => result), [{ code: "TUFU" }, { code: "TUFU" }]);
  assert.deepEqual(lines().at(-1).result, {
    cross_signing: { master_key: M, self_signing_key: S, user_signing_key: U },
    backup: { algorithm: "a", key: "k", backup_version: "1" },
  });
  lines.check();
});

test("a passphrase is in the request", async () => {
  const given = { ...bot, passphrase: "a passphrase", person: person() };
  for (const [name, run] of [["fragments", () => signIn(given)], ["link", () => grant({ ...given, directory })]]) {
    const lines = script(name);
    await run().catch(() => {});
    assert.equal(lines()[1].params.passphrase, "a passphrase");
  }
});

test("a grant needs the word that the new device is theirs", async () => {
  const notAsked = (error) => error.cause instanceof TypeError;
  for (const [confirmOwnDevice, ends] of [[() => false, refused(3, /not your device/)], [undefined, notAsked]]) {
    const lines = script("link");
    const who = person({ confirmOwnDevice });
    await assert.rejects(grant({ program, directory, scan: true, person: who }), ends);
    assert.deepEqual(who.said, []);
    assert.ok(lines().length <= 3);
  }
});

test("room keys are handed to the keys", async () => {
  const lines = script("restore");
  const own = keys();
  assert.deepEqual(await new Session(directory, { program }).restoreKeys({ keys: own }), { keys: 1, undecryptable: 0, outdated: null });
  assert.deepEqual(own.kept, [[{ session_id: "S" }]]);
  assert.deepEqual(lines()[1].params, { directory, keys: "caller" });
});

test("lines come in any pieces", async () => {
  script("fragments");
  const who = person();
  assert.equal((await signIn({ ...bot, person: who })).deviceId, "DEVICE");
  assert.equal(who.said[0].drawing, "█▀█\n▀▀▀");
  assert.equal(who.said[1], "connected");
});

test("answers come in any order", async () => {
  script("answersInReverse");
  const helper = await Helper.start({ program });
  assert.deepEqual(await Promise.all([helper.request("a", {}), helper.request("b", {})]), ["first", "second"]);
  await helper.close();
});

test("an error says what the helper says", async () => {
  script("errorWithEverything");
  const more = { advice: "Try again.", deviceLeft: "DEVICE" };
  await assert.rejects(signIn({ ...bot, person: person() }), refused(8, /homeserver failed; the answer was 503/, more));
});

test("what others wrote in an error does not steer a terminal", () => {
  const evil = "\u001b[2J\n\u202eevil";
  const error = new MatrixQrError(evil, { cause: evil, advice: evil, deviceLeft: evil });
  for (const text of [error.message, error.cause, error.advice, error.deviceLeft]) assert.equal(text, "\ufffd[2J\ufffd\ufffdevil");
  const own = new RangeError("of the caller");
  assert.equal(new MatrixQrError("x", { cause: own }).cause, own);
});

test("a question is taken back", async () => {
  const lines = script("takesBackAQuestion");
  let takenBack = false;
  const enterCheckCode = (signal) => new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(void (takenBack = true)));
  });
  await assert.rejects(signIn({ ...bot, person: person({ enterCheckCode }) }), refused(4, /other device/));
  assert.ok(takenBack);
  lines.check();
  assert.equal(lines().length, 2, "the question that was taken back has no answer");
});

test("a signal cancels the sign-in, and its clean-up is waited for", async () => {
  script("isCancelled");
  const stop = new AbortController();
  const enterCheckCode = () => (setTimeout(() => stop.abort(), 20), new Promise(() => {}));
  const started = Date.now();
  const own = keys({ discard: () => void own.kept.push("discarded") });
  const options = { ...bot, signal: stop.signal, keys: own, person: person({ enterCheckCode }) };
  await assert.rejects(signIn(options), refused(3, /cancelled/, { advice: "Start again." }));
  assert.ok(Date.now() - started >= 300);
  assert.deepEqual(own.kept, ["discarded"]);
});

test("the keys stay if the device is signed in, although the helper died", async () => {
  for (const [isSignedIn, expected] of [[true, []], [false, ["discarded"]]]) {
    script("dies");
    const own = keys({ discard: () => void own.kept.push("discarded") });
    const options = { ...bot, directory: folder(), keys: own, person: person({ enterCheckCode: () => new Promise(() => {}) }) };
    if (isSignedIn) writeFileSync(join(options.directory, "session.json"), "{}");
    await assert.rejects(signIn(options), refused(1, /without an answer/));
    assert.deepEqual(own.kept, expected);
  }
});

test("a signal that was aborted before starts nothing", async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(signIn({ program: "/nowhere", directory, signal }), refused(3, /before anything/));
});

test("what the caller throws is its own affair", async () => {
  const lines = script("letsTheCallerFail");
  const mine = new RangeError("SECRET of the caller");
  const showCode = () => { throw mine; };
  await assert.rejects(signIn({ ...bot, person: person({ showCode }) }), (error) => error.cause === mine);
  assert.ok(!JSON.stringify(lines()).includes("SECRET"));
});

test("keys that cannot be sent end the sign-in", async () => {
  script("login");
  const deviceKeys = () => ({ device_keys: "x".repeat(1024 * 1024) });
  await assert.rejects(signIn({ ...bot, person: person(), keys: keys({ deviceKeys }) }), refused(2, /more than 1 MiB/));
});

test("only the questions of the protocol are answered", async () => {
  for (const name of ["asksAnOddThing", "asksAPropertyOfObjects"]) {
    script(name);
    await assert.rejects(signIn({ ...bot, person: person() }), refused(1, /it said -32601/));
  }
});

test("a helper that dies is an error, and its question is taken back", async () => {
  script("dies");
  let takenBack = false;
  const enterCheckCode = (signal) => new Promise(() => signal.addEventListener("abort", () => (takenBack = true)));
  await assert.rejects(signIn({ ...bot, person: person({ enterCheckCode }) }), refused(1, /without an answer; exit code 101/));
  assert.ok(takenBack);
});

test("a helper that dies with a device names it", async () => {
  for (const [name, deviceLeft] of [["diesWithADevice", "DEVICE"], ["dies", null]]) {
    script(name);
    const options = { ...bot, directory: folder(), keys: keys(), person: person() };
    await assert.rejects(signIn(options), refused(1, /without an answer/, { deviceLeft }));
  }
});

for (const [name, pattern] of Object.entries({
  otherProtocol: /another protocol/,
  tooLong: /more than 1 MiB/,
  tooLongWithAnEnd: /more than 1 MiB/,
  notJson: /not JSON/,
  notUtf8: /not JSON/,
  notAnObject: /not an object/,
  nobodyAsked: /nobody waits for/,
  noResult: /neither a result nor an error/,
  noCode: /without a code/,
  wrongType: /no usable `device_id`/,
  noParameters: /parameters that are not an object/,
})) {
  test(`rubbish is refused: ${name}`, async () => {
    script(name);
    const helped = signIn({ ...bot, person: person() });
    await assert.rejects(helped, (error) => refused(1, pattern)(error) && !inspect(error).includes("SECRET"));
  });
}

test("a helper that could not read a line", async () => {
  script("couldNotRead");
  await assert.rejects(signIn({ ...bot, person: person() }), refused(-32700, /this line is not JSON/));
});

test("a helper that refuses this protocol", async () => {
  script("refusesProtocol");
  await assert.rejects(signIn({ ...bot, person: person() }), refused(-32602, /protocol 2/));
});

test("a program that is missing, or cannot be run", async () => {
  await assert.rejects(signIn({ program: "/nowhere/matrix-qr", directory }), refused(1, /could not be started; .*ENOENT/));
  const path = process.env.PATH;
  process.env.PATH = "";
  try {
    await assert.rejects(signIn({ directory }), (error) => {
      return refused(1, /was not found; .* nor on the PATH/)(error) && /Install it .* or name it/.test(error.advice);
    });
  } finally {
    process.env.PATH = path;
  }
});

test("no secret is printed", async () => {
  script("login");
  const own = keys();
  await signIn({ ...bot, person: person(), keys: own });
  const device = own.kept[0];
  const token = new AccessToken("SECRET-token", { expiresAt: null, userId: "@a:b", deviceId: "D", homeserver: "https://b/" });
  for (const value of [device, device.secrets, token]) {
    for (const text of [inspect(value, { showHidden: true, depth: 9 }), JSON.stringify(value), `${value}`]) {
      assert.ok(!text.includes("SECRET"), text);
    }
  }
  assert.match(inspect(device), /@bot:example.org/);
});

test("a token is asked for again only when it ends too soon", async () => {
  const lines = script("token", { FAKE_EXPIRES_IN: "100" });
  const session = new Session(directory, { program });
  const [a, b] = await Promise.all([session.accessToken(), session.accessToken()]);
  assert.equal(a, b);
  assert.equal(await session.accessToken({ goodFor: 90 }), a);
  assert.equal(lines().length, 2);
  await session.accessToken({ goodFor: 200 });
  assert.deepEqual(lines().at(-1).params, { directory, good_for: 200 });
});

/** A homeserver that gives these statuses one after the other, and remembers the tokens. */
async function homeserver(context, statuses) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(statuses.shift()).end(JSON.stringify({ errcode: "M_FORBIDDEN" }));
  }).listen(0, "127.0.0.1");
  context.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  script("token", { FAKE_EXPIRES_IN: "100", FAKE_HOMESERVER: `http://127.0.0.1:${server.address().port}/` });
  return { seen, session: new Session(directory, { program }) };
}

test("a request has the token of the homeserver, on the homeserver only", async (context) => {
  const { seen, session } = await homeserver(context, [403, 200]);
  await assert.rejects(session.request("GET", "/x?secret=1"), refused(8, /refused GET \/x; 403 M_FORBIDDEN/));
  assert.deepEqual(await session.request("GET", "/x"), { errcode: "M_FORBIDDEN" });
  assert.match(seen[0], /^Bearer SECRET-token-\d+$/);
  assert.equal(seen[0], seen[1]);
  await assert.rejects(session.fetch("https://elsewhere.example/"), /not on the homeserver/);
  await assert.rejects(session.fetch("//elsewhere.example/x"), /not on the homeserver/);
  assert.equal(seen.length, 2);
});

test("a token that ended before its time is replaced once", async (context) => {
  const { seen, session } = await homeserver(context, [401, 200, 401, 401]);
  assert.equal((await session.fetch("/x")).status, 200);
  assert.notEqual(seen[0], seen[1]);
  assert.equal((await session.fetch("/x")).status, 401);
  assert.equal(seen.length, 4);
});

test("matrix-js-sdk's requests have the token, and those to others do not", async (context) => {
  const { seen, session } = await homeserver(context, [200, 200, 200]);
  const { fetchFn, baseUrl, accessToken } = await clientOptions(session);
  const headers = { Authorization: "Bearer of an earlier time" };
  await fetchFn(`${baseUrl}x`, { method: "POST", body: "{}", headers });
  await fetchFn(`${baseUrl}x`);
  await fetchFn(baseUrl.replace("127.0.0.1", "localhost"), { headers });
  assert.deepEqual(seen, [`Bearer ${accessToken}`, undefined, "Bearer of an earlier time"]);
});

test("a local logout says where to remove the device", async () => {
  const lines = script("logout");
  const { removeIt } = await new Session(directory, { program }).logout({ local: true });
  assert.equal(removeIt, "in your account at https://account.example.org\ufffd");
  assert.deepEqual(lines()[1].params, { directory, local: true });
  lines.check();
});

test("logout", async () => {
  const lines = script("logout");
  assert.deepEqual(await new Session(directory, { program }).logout(), { userId: "@bot:example.org", deviceId: "DEVICE", removeIt: null });
  assert.deepEqual(lines().at(-1).params, { directory });
  lines.check();
});
