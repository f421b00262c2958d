// The person at a terminal.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import { terminalPerson } from "matrix-qr";

import { folder } from "./folder.js";

function terminal() {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let screen = "";
  output.setEncoding("utf8").on("data", (text) => (screen += text));
  const shows = async (text) => {
    while (!screen.includes(text)) await once(output, "data");
    const shown = screen;
    screen = "";
    return shown;
  };
  return { input, shows, person: terminalPerson({ input, output }), screen: () => screen };
}
const never = new AbortController().signal;

test("the code is drawn, and can be copied", async () => {
  const { person, shows } = terminal();
  person.showCode({ code: "TUFUUklY", drawing: "█▀█\n▀▀▀", svg: "<svg/>" }, never);
  const shown = await shows("TUFUUklY\n");
  assert.ok(shown.includes("\n█▀█\n▀▀▀\n"));
});

test("digits are asked for until they are two", async () => {
  const { person, input, shows } = terminal();
  const digits = person.enterCheckCode(never);
  for (const wrong of ["", "7", "007", "0x", "٠٧"]) {
    await shows("Which two digits");
    input.write(`${wrong}\n`);
  }
  await shows("Which two digits");
  input.write(" 07 \n");
  assert.equal(await digits, "07");
});

test("a code is pasted, and asked for again if it is none", async () => {
  const { person, input, shows } = terminal();
  const first = person.scanCode(null, never);
  assert.equal(await shows("Enter: "), "Paste the other device's code as text, then press Enter: ");
  input.write("\n");
  await shows("Enter: ");
  input.write(" TUF \n");
  assert.equal(await first, "TUF");
  const second = person.scanCode("the QR code\u202e is incomplete", never);
  assert.match(await shows("Enter: "), /^This is not the code: the QR code\ufffd is incomplete.\nPaste/);
  input.write("TUFU\n");
  assert.equal(await second, "TUFU");
});

test("questions, one after the other", async () => {
  const { person, input, shows } = terminal();
  const page = { link: "https://account.example.org/link?code=X", host: "account.example.org" };
  const opened = person.openLink({ ...page, warning: "whose\u202e page?" }, never);
  assert.match(
    await shows("[y/n] "),
    /\nhttps:\/\/account.example.org\/link\?code=X\n.*\n {4}account.example.org\n\nWarning: whose\ufffd page\?\n.*page of account.example.org\?/s,
  );
  input.write("y\n");
  assert.equal(await opened, true);
  const own = person.confirmOwnDevice("Support staff never ask for this.", never);
  assert.match(await shows("[y/n] "), /\nSupport staff never ask for this.\nIs the new device yours, and did you start/);
  input.write("n\n");
  assert.equal(await own, false);
  const confirmed = person.confirmUser("@bot:example.org", never);
  await shows("Sign in as @bot:example.org? [y/n] ");
  input.write("maybe\nNO\n");
  assert.equal(await confirmed, false);
});

test("a question that is taken back does not wait", async () => {
  const { person, shows } = terminal();
  const question = new AbortController();
  const digits = person.enterCheckCode(question.signal);
  await shows("Which two digits");
  question.abort();
  await assert.rejects(digits, { code: 3 });
  await assert.rejects(person.enterCheckCode(AbortSignal.abort()), { code: 3 });
});

test("the end of input is no answer", async () => {
  const { person, input, shows } = terminal();
  const digits = person.enterCheckCode(never);
  await shows("Which two digits");
  input.end();
  await assert.rejects(digits, { code: 3, cause: "end of input" });
  await assert.rejects(person.enterCheckCode(never), { code: 3, cause: "end of input" });
});

test("what happens is shown, in one line each", async () => {
  const left = { event: "left_behind", what: "the device DEVICE of your account" };
  for (const [event, line] of [
    [{ event: "cleared", device_id: null }, "An earlier sign-in was interrupted here. Its device and its files were removed."],
    [{ event: "connected" }, "The other device has connected."],
    [{ event: "confirmed" }, "The connection is secure."],
    [{ event: "device_found" }, "The homeserver lists the new device."],
    [{ event: "keys_uploaded" }, "This device is verified."],
    [{ event: "verified" }, "The new device is verified."],
    [{ event: "too_late" }, "The keys were sent already: checking on the new device."],
    [{ event: "backup", connected: false, why: "there is none" }, "Warning: the key backup is not used: there is none."],
    [{ event: "trouble", what: "it takes long", side: null }, "Warning: it takes long."],
    [{ event: "warning", what: "it is old" }, "Warning: it is old."],
    [left, "Warning: this is left behind: the device DEVICE of your account. Please remove it yourself."],
    [{ ...left, advice: "Remove it." }, "Warning: this is left behind: the device DEVICE of your account. Remove it."],
  ]) {
    const { person, shows } = terminal();
    person.progress(event);
    assert.equal(await shows("\n"), `${line}\n`);
  }
});

test("the user code is shown, and what is only for programs is not", async () => {
  const { person, shows, screen } = terminal();
  for (const event of ["checking", "constructor", "backup"]) person.progress({ event, connected: true });
  assert.equal(screen(), "");
  person.progress({ event: "user_code", user_code: "JTNGTN", link: "https://account.example.org" });
  assert.equal(await shows("JTNGTN\n"), "If the page asks for a code, enter: JTNGTN\n");
});

// It clears the screen, begins a new line, and turns the text around.
const evil = "\u001b[2J\n\r\u202e\u2028evil";
const shownOfIt = "\ufffd[2J\ufffd\ufffd\ufffd\ufffdevil";

test("nothing that others wrote steers the terminal", async () => {
  const [oneLine, shownOfLine] = [evil.replace("\n", ""), shownOfIt.replace("\ufffdevil", "evil")];
  for (const [call, ...expected] of [
    [(person) => person.showCode({ code: evil, drawing: `█\n${oneLine}`, svg: evil }, never), shownOfLine, shownOfIt],
    [(person) => person.showCheckCode(evil, never), `Type these digits on the other device: ${shownOfIt}`],
    [(person) => person.openLink({ link: evil, host: evil, warning: evil }, never), shownOfIt, `    ${shownOfIt}`, `Warning: ${shownOfIt}`, `Did you open the page of ${shownOfIt}? [y/n] `],
    [(person) => person.confirmUser(evil, never), `Sign in as ${shownOfIt}? [y/n] `],
    [(person) => person.progress({ event: "trouble", what: evil }), `Warning: ${shownOfIt}.`],
    [(person) => person.progress({ event: "backup", connected: false, why: evil }), `Warning: the key backup is not used: ${shownOfIt}.`],
    [(person) => person.progress({ event: "left_behind", what: evil, advice: evil }), `Warning: this is left behind: ${shownOfIt}. ${shownOfIt}`],
    [(person) => person.progress({ event: "user_code", user_code: evil }), `If the page asks for a code, enter: ${shownOfIt}`],
  ]) {
    const { person, shows } = terminal();
    void call(person);
    const lines = (await shows(expected.at(-1))).split("\n");
    assert.deepEqual(lines.filter((line) => line.includes("evil")), expected);
  }
});

/** What a program shows in a terminal of its own, and a keyboard for it. */
function realTerminal(context, code) {
  const path = folder();
  writeFileSync(join(path, "code.mjs"), code);
  const command = `${process.execPath} ${join(path, "code.mjs")}`;
  // Of util-linux. It does not start at all where it is missing: then the test fails.
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { cwd: path });
  context.after(() => child.kill());
  const ended = once(child, "close");
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (screen += text));
  const shows = async (text) => {
    while (!screen.includes(text)) {
      const fail = () => assert.fail(`it ended without ${JSON.stringify(text)}: ${screen}`);
      await Promise.race([once(child.stdout, "data"), ended.then(fail)]);
    }
    screen = screen.slice(screen.indexOf(text) + text.length);
  };
  return { path, shows, type: (text) => void child.stdin.write(text) };
}

test("what is typed before a question does not answer it, and what follows it is not lost", async (context) => {
  const { path, shows, type } = realTerminal(context, `
    import { existsSync } from "node:fs";
    import { createInterface } from "node:readline/promises";
    import { setTimeout as sleep } from "node:timers/promises";
    import { terminalPerson } from ${JSON.stringify(import.meta.resolve("matrix-qr"))};
    const person = terminalPerson();
    const signal = new AbortController().signal;
    console.log("not yet");
    while (!existsSync("typed")) await sleep(5);
    console.log("confirmed: " + await person.confirmUser("@a:b", signal));
    while (!existsSync("again")) await sleep(5);
    console.log("digits: " + await person.enterCheckCode(signal));
    const lines = createInterface({ input: process.stdin.ref(), output: process.stdout });
    console.log("then: " + await lines.question("go on "));
    lines.close();
  `);
  await shows("not yet");
  // The terminal echoes it, so it has it. The last line has no end yet.
  type("y\n".repeat(40) + "yes");
  await shows("yes");
  writeFileSync(join(path, "typed"), "");
  await shows("Sign in as @a:b? [y/n] ");
  type("\n");
  await shows("Sign in as @a:b? [y/n] ");
  type("n\n");
  await shows("confirmed: false");
  type("07\n07\n");
  await shows("07");
  writeFileSync(join(path, "again"), "");
  await shows("Which two digits does the other device show? ");
  type("42\n");
  await shows("digits: 42");
  await shows("go on ");
  type("hello\n");
  await shows("then: hello");
});
