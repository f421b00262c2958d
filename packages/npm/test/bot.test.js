// examples/bot.js as it is: a process that signs in, is killed, and starts again.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { DecryptionSettings, RoomId, TrustRequirement } from "@matrix-org/matrix-sdk-crypto-wasm";
import { Session, grant, signIn } from "matrix-qr";
import { OlmKeys, receiveSync, sendEncrypted, sendRequests } from "matrix-qr/olm-machine";

import { Meeting, Sandbox, program, signInBetween } from "./sandbox.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

class Bot {
  /** `killedAt` names a method of its keys, where it is killed. */
  constructor(context, args, { killedAt } = {}) {
    const dying = killedAt ? ["--import", here("killed.js")] : [];
    const words = [...dying, here("drive.js"), here("../examples/bot.js"), ...args];
    const env = { ...process.env, MATRIX_QR_PROGRAM: program(), ...(killedAt && { KILLED_AT: killedAt }) };
    this.child = spawn(process.execPath, words, { env, stdio: ["pipe", "pipe", "inherit"] });
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.said = [];
    context.after(() => this.kill());
  }

  async next() {
    const { value, done } = await this.lines.next();
    assert.ok(!done, `the bot ended: ${this.said.join(" ")}`);
    this.said.push(value);
    return value;
  }

  /** The next event of this name. */
  async event(name) {
    for (;;) {
      const line = await this.next();
      const event = line.startsWith("{") ? JSON.parse(line) : {};
      if (event.event === name) return event;
    }
  }

  /** The next line of the bot itself. */
  async line() {
    for (;;) {
      const line = await this.next();
      if (!line.startsWith("{")) return line;
    }
  }

  async logs(text) {
    while ((await this.line()) !== text);
  }

  /** Answers the next question. */
  async answer(text) {
    await this.event("question");
    this.child.stdin.write(`${text}\n`);
  }

  kill() {
    this.child.kill("SIGKILL");
    return this.ended;
  }
}

/** The first device of the account scans the code of the bot. */
async function grantTo(bot, sandbox) {
  const { code } = await bot.event("show");
  const answers = { scanCode: () => code, showCheckCode: (digits) => void bot.answer(digits) };
  return grant({ ...sandbox.existing, scan: true, person: new Meeting().person(answers) });
}

/** Another device of the account, which talks to the bot. */
class Friend {
  constructor(session, keys, roomId) {
    Object.assign(this, { session, machine: keys.machine, roomId, since: undefined });
  }

  say(body) {
    return sendEncrypted(this.session, this.machine, this.roomId, "m.room.message", { msgtype: "m.text", body });
  }

  /** Waits for a message of this device. Only devices that their owner has verified are heard. */
  async hears(deviceId) {
    for (;;) {
      const query = new URLSearchParams({ timeout: "20000", ...(this.since && { since: this.since }) });
      const sync = await this.session.request("GET", `/_matrix/client/v3/sync?${query}`);
      this.since = sync.next_batch;
      await receiveSync(this.machine, sync);
      await sendRequests(this.session, this.machine);
      const settings = new DecryptionSettings(TrustRequirement.CrossSigned);
      for (const event of sync.rooms?.join?.[this.roomId]?.timeline.events ?? []) {
        if (event.type !== "m.room.encrypted") continue;
        const found = await this.machine.decryptRoomEvent(JSON.stringify(event), new RoomId(this.roomId), settings).catch(() => null);
        if (found?.senderDevice?.toString() === deviceId) return JSON.parse(found.event).content.body;
      }
    }
  }
}

test("a bot signs in, reads, answers, is killed, starts again, and signs out", async (context) => {
  const sandbox = await Sandbox.start(context, "--token-lifetime", "15");
  const words = [sandbox.path("bot"), sandbox.userId];
  let bot = new Bot(context, words);
  const { deviceId } = await grantTo(bot, sandbox);
  assert.equal(await bot.line(), `${sandbox.userId} ${deviceId}`);
  assert.match(await bot.line(), /^old: Did you find the old photographs/, "the message of the sandbox is from before this device");

  const keys = new OlmKeys(sandbox.path("friend-keys"));
  const [{ session }] = await signInBetween(signIn, sandbox.existing, {
    ...sandbox.options, homeserver: sandbox.homeserver, directory: sandbox.path("friend"), keys,
  });
  const friend = new Friend(session, keys, sandbox.roomId);
  const talk = async () => {
    await friend.say("!ping");
    await bot.logs("new: !ping");
    assert.equal(await friend.hears(deviceId), "pong");
  };
  await talk();
  // What steers a terminal is not shown as it is.
  await friend.say("\u001b[2J\nnew: !ping");
  await bot.logs("new: \ufffd[2J\ufffdnew: !ping");
  // Over the end of the token, which lives for 15 seconds.
  await new Promise((resolve) => setTimeout(resolve, 16_000));
  await talk();

  // Nothing is said to the bot before it is killed; while it is away, it is spoken to.
  await bot.kill();
  await friend.say("while you were away");
  bot = new Bot(context, words);
  assert.equal(await bot.line(), `${sandbox.userId} ${deviceId}`);
  await bot.logs("old: while you were away");
  await talk();
  await bot.kill();

  bot = new Bot(context, [...words, "out"]);
  assert.equal(await bot.ended, 0);
  const { devices } = await new Session(sandbox.existing.directory, sandbox.options).request("GET", "/_matrix/client/v3/devices");
  assert.ok(!devices.some(({ device_id }) => device_id === deviceId));
  for (const name of ["session", "keys", "keys.lock", "keys.restored"]) assert.ok(!existsSync(sandbox.path(`bot/${name}`)), name);
  await keys.close();
});

test("a bot that was killed after its sign-in reads old messages at the next start", async (context) => {
  const sandbox = await Sandbox.start(context);
  const words = [sandbox.path("bot"), sandbox.userId];
  const first = new Bot(context, words, { killedAt: "roomKeys" });
  const { deviceId } = await grantTo(first, sandbox);
  await first.ended;
  assert.equal(first.child.signalCode, "SIGKILL");
  const second = new Bot(context, words);
  assert.equal(await second.line(), `${sandbox.userId} ${deviceId}`);
  assert.match(await second.line(), /^old: Did you find the old photographs/);
});
