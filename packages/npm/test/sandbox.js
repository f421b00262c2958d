// A homeserver of its own for each test: `matrix-qr sandbox`, with the account @alice and a device
// of matrix-sdk that can sign in others.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { grant } from "matrix-qr";

/** The program that is tested. */
export function program() {
  const path = process.env.MATRIX_QR_PROGRAM;
  if (path) return path;
  throw new Error("Build it with `cargo build -p matrix-qr`, and set MATRIX_QR_PROGRAM to target/debug/matrix-qr.");
}

export class Sandbox {
  /**
   * Starts one that ends with the test.
   *
   * @param {import("node:test").TestContext} context
   * @param {string[]} args
   */
  static async start(context, ...args) {
    const directory = mkdtempSync(join(tmpdir(), "matrix-qr-"));
    const options = ["sandbox", "--json", "--directory", join(directory, "sandbox"), ...args];
    const child = spawn(program(), options, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    context.after(async () => {
      child.kill("SIGTERM");
      await ended;
      rmSync(directory, { recursive: true });
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line);
      if (event.event === "ready") return new Sandbox(directory, event);
    }
    throw new Error("the sandbox did not start");
  }

  constructor(directory, ready) {
    this.directory = directory;
    this.userId = ready.user_id;
    this.roomId = ready.room_id;
    this.homeserver = ready.homeserver;
    /** The device of matrix-sdk that is signed in from the start. */
    this.existing = { directory: ready.existing_directory, ...this.options };
  }

  /** The options that every call needs here. */
  get options() {
    return { program: program(), allowLoopbackHttp: true };
  }

  path(name) {
    return join(this.directory, name);
  }
}

/** Two devices before one person. Each calls what the other needs. */
export class Meeting {
  #code = waiting();
  #digits = waiting();
  events = [];

  /** The code that either device shows. */
  get code() {
    return this.#code.promise;
  }

  /** The digits that either device shows. */
  get digits() {
    return this.#digits.promise;
  }

  /** The person at one device, who also has the other. */
  person(changes = {}) {
    return {
      confirmOwnDevice: () => true,
      scanCode: () => this.code,
      showCode: ({ code }) => this.#code.resolve(code),
      showCheckCode: (digits) => this.#digits.resolve(digits),
      enterCheckCode: () => this.digits,
      openLink: async ({ link, warning }) => (assert.equal(warning, null), await decide(link, "allow"), true),
      confirmUser: () => true,
      progress: (event) => this.events.push(event),
      ...changes,
    };
  }
}

/**
 * Signs a new device in with the help of an existing one, which scans the code, or shows it.
 *
 * @param {(options: object) => Promise<any>} signIn Signs in the new device, with these options.
 * @param {object} existing The options of `grant`.
 * @param {{ shownBy?: "new" | "existing" }} [how]
 */
export async function signInBetween(signIn, existing, { shownBy = "new", person = {}, ...more }) {
  const meeting = new Meeting();
  const options = { ...more, person: meeting.person(person) };
  const help = (how) => grant({ ...existing, ...how, person: meeting.person() });
  if (shownBy === "new") {
    const device = signIn(options);
    return Promise.all([device, shown(meeting, device).then(() => help({ scan: true }))]);
  }
  const granted = help({});
  // The code says which homeserver it is.
  return Promise.all([shown(meeting, granted).then(() => signIn({ ...options, scan: true, homeserver: undefined })), granted]);
}

/** The code, unless the sign-in of the device that should show it fails before. */
export function shown(meeting, signIn) {
  return Promise.race([meeting.code, signIn.then(() => assert.fail("no code was shown"))]);
}

/** The person at the consent page. */
async function decide(link, action) {
  const page = await (await fetch(link)).text();
  const hidden = (name) => page.match(new RegExp(`name="${name}" value="([^"]*)"`))?.[1] ?? assert.fail(page);
  const body = new URLSearchParams({ code: hidden("code"), csrf: hidden("csrf"), action });
  const answer = await fetch(new URL("/link", link), { method: "POST", body });
  assert.equal(answer.status, 200);
}

function waiting() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
