#!/usr/bin/env node
// A helper that follows a script instead of signing in. FAKE_HELPER names the script;
// FAKE_HELPER_LINES is a file for the lines that it receives (`>`), and those that it writes (`<`).
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let lastId = 0;

async function read() {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  appendFileSync(process.env.FAKE_HELPER_LINES, `>${value}\n`);
  return JSON.parse(value);
}

const raw = (bytes) => new Promise((resolve) => process.stdout.write(bytes, resolve));
function write(message) {
  const line = `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`;
  appendFileSync(process.env.FAKE_HELPER_LINES, `<${line}`);
  return raw(line);
}
const result = (request, value) => write({ id: request.id, result: value });
const progress = (event) => write({ method: "progress", params: event });

/** Asks, and returns the answer. */
async function ask(method, params) {
  const id = ++lastId;
  await write({ id, method, params });
  const answer = await read();
  if (answer.id !== id) throw new Error(`an answer to ${answer.id}, not to ${id}`);
  return answer;
}

async function hello() {
  await result(await read(), { protocol: 1, version: "0.1.0", capabilities: { revisions: ["msc4108"], keys: ["store", "caller"], requests: ["login"] } });
}

const WARNING = "This signs another device in to your account. Support staff never ask for this.";
const CODE = { code: "TUFUUklY", drawing: "█▀█\n▀▀▀", svg: '<svg xmlns=""/>' };
/** The form of a private key. */
const key = (name) => `SECRET${name}`.padEnd(43, "A");
const SIGNED_IN = {
  user_id: "@bot:example.org", device_id: "DEVICE", homeserver: "https://matrix.example.org/", master_key: key("public").replace("SECRET", "PUBLIC"),
  backup: { connected: true, version: "1" }, directory: "/tmp/bot",
};
const KEEP = {
  user_id: "@bot:example.org", device_id: "DEVICE", homeserver: "https://matrix.example.org/",
  access_token: "SECRET-token", expires_at: 1790000000,
  uploaded: { one_time_key_counts: { signed_curve25519: 50 } },
  identity: { master_key: {}, self_signing_key: {}, user_signing_key: {} },
  device_keys: {},
  secrets: {
    cross_signing: { master_key: key("master"), self_signing_key: key("self"), user_signing_key: key("user") },
    backup: { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", key: key("backup"), backup_version: "1" },
  },
};
const NOTHING_MORE = { cause: null, advice: "Start again.", device_left: null };
const failure = (request, error) => write({ id: request.id, error: { data: NOTHING_MORE, ...error } });

/** What it does with the first request after `initialize`, or instead of `initialize`. */
const scripts = {
  async login(request) {
    await ask("show_code", CODE);
    await progress({ event: "connected" });
    const { result: typed } = await ask("enter_check_code", {});
    await progress({ event: "user_code", user_code: "JTNGTN", link: "https://account.example.org/", warning: null });
    const { result: confirmed } = await ask("confirm_user", { user_id: "@bot:example.org" });
    if (request.params.keys === "caller") {
      await ask("device_keys", { user_id: "@bot:example.org", device_id: "DEVICE" });
      await ask("keep", KEEP);
    }
    if (typed.digits !== "07" || confirmed.confirmed !== true) return failure(request, { code: 7, message: "wrong" });
    return result(request, SIGNED_IN);
  },
  async link(request) {
    const own = await ask("confirm_own_device", { warning: WARNING });
    if (!own.result?.confirmed) return failure(request, { code: 3, message: "not your device" });
    if (request.params.scan) {
      await ask("scan_code", { problem: null });
      await ask("scan_code", { problem: "the QR code is incomplete" });
    }
    await ask("show_check_code", { digits: "07" });
    const opened = await ask("open_link", { link: "https://account.example.org/link", host: "account.example.org", warning: "account.example.org belongs neither to you nor to me." });
    if (!opened.result.opened) return failure(request, { code: 3, message: "refused" });
    await ask("secrets", {});
    return result(request, { user_id: "@bot:example.org", device_id: "DEVICE", bound: true, verified: true, too_late_to_cancel: false });
  },
  async restore(request) {
    await ask("secrets", {});
    await ask("room_keys", { room_keys: [{ session_id: "S" }] });
    return result(request, { keys: 1, undecryptable: 0, outdated: null });
  },
  async token(request) {
    const [now, expires_in] = [Math.floor(Date.now() / 1000), Number(process.env.FAKE_EXPIRES_IN)];
    return result(request, {
      access_token: `SECRET-token-${process.pid}`, expires_at: now + expires_in, expires_in,
      user_id: "@bot:example.org", device_id: "DEVICE", homeserver: process.env.FAKE_HOMESERVER ?? "https://matrix.example.org/",
    });
  },
  async logout(request) {
    const remove_it = request.params.local ? "in your account at https://account.example.org\u202e" : null;
    return result(request, { user_id: "@bot:example.org", device_id: "DEVICE", remove_it });
  },
  async errorWithEverything(request) {
    const data = { cause: "the answer was 503", advice: "Try again.", device_left: "DEVICE" };
    return failure(request, { code: 8, message: "the homeserver failed", data });
  },
  async fragments(request) {
    const bytes = Buffer.from(`\n{"jsonrpc":"2.0","id":1,"method":"show_code","params":${JSON.stringify(CODE)}}\n`);
    for (const byte of bytes) await raw(Buffer.from([byte]));
    await read();
    const both = [{ method: "progress", params: { event: "connected" } }, { id: request.id, result: SIGNED_IN }];
    return raw(both.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join(""));
  },
  async takesBackAQuestion(request) {
    await write({ id: 1, method: "enter_check_code", params: {} });
    await sleep(50);
    await write({ method: "cancel_request", params: { id: 1 } });
    await sleep(50);
    return failure(request, { code: 4, message: "the other device ended the sign-in" });
  },
  async isCancelled(request) {
    await write({ id: 1, method: "enter_check_code", params: {} });
    const cancel = await read();
    if (cancel.method !== "cancel") throw new Error(cancel.method);
    await result(cancel, { cancelled: true });
    await write({ method: "cancel_request", params: { id: 1 } });
    await sleep(300);
    return failure(request, { code: 3, message: "cancelled" });
  },
  async dies() {
    await write({ id: 1, method: "enter_check_code", params: {} });
    await sleep(50);
    process.exit(101);
  },
  async diesWithADevice() {
    await ask("device_keys", { user_id: "@bot:example.org", device_id: "DEVICE" });
    process.exit(101);
  },
  async asksAnOddThing(request) {
    const { error } = await ask("read_file", { path: "/etc/passwd" });
    return failure(request, { code: 1, message: `it said ${error.code}` });
  },
  async asksAPropertyOfObjects(request) {
    const { error } = await ask("constructor", {});
    return failure(request, { code: 1, message: `it said ${error.code}` });
  },
  async letsTheCallerFail(request) {
    const { error } = await ask("show_code", CODE);
    return failure(request, { code: 1, message: `the caller failed: ${JSON.stringify(error)}` });
  },
  async answersInReverse(request) {
    const second = await read();
    await result(second, "second");
    return result(request, "first");
  },
  tooLong: () => raw(Buffer.alloc(1024 * 1024 + 2, "x")),
  tooLongWithAnEnd: () => raw(Buffer.concat([Buffer.alloc(1024 * 1024 + 1, " "), Buffer.from("\n")])),
  notJson: () => raw("Segmentation fault\n"),
  notUtf8: () => raw(Buffer.from([0x22, 0xff, 0x22, 0x0a])),
  notAnObject: () => raw("[]\n"),
  couldNotRead: () => write({ id: null, error: { code: -32700, message: "this line is not JSON" } }),
  nobodyAsked: () => write({ id: 99, result: null }),
  noResult: (request) => write({ id: request.id }),
  noCode: (request) => failure(request, { message: "SECRET" }),
  wrongType: (request) => result(request, { ...SIGNED_IN, device_id: 7 }),
  noParameters: () => write({ id: 1, method: "show_code", params: [] }),
};

const script = process.env.FAKE_HELPER;
if (script === "otherProtocol") {
  await result(await read(), { protocol: 2, version: "9.0.0", capabilities: {} });
} else if (script === "refusesProtocol") {
  await failure(await read(), { code: -32602, message: "this is protocol 2" });
} else {
  await hello();
  await scripts[script](await read());
}
for (;;) await read();
