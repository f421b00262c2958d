// The person at a terminal.
import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import { terminalPerson } from "matrix-qr";

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
});

test("the user code is shown, and nothing steers the terminal", async () => {
  const { person, shows, screen } = terminal();
  person.progress({ event: "connected" });
  assert.equal(screen(), "");
  person.progress({ event: "user_code", user_code: "JT\u001b[2J\u202eGTN", link: "https://account.example.org" });
  assert.equal(await shows("GTN\n"), "If the page asks for a code, enter: JT\ufffd[2J\ufffdGTN\n");
  void person.confirmUser("@a\u001b[1A\r:b", never);
  assert.match(await shows("[y/n] "), /@a\ufffd\[1A\ufffd:b/);
});
