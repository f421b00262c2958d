// Runs examples/bot.js for a program: node bot-driver.js '{"directory": "d", "homeserver": "https://..."}'
//
// The options are those of `open` in the example; with "out" it signs out. It prints JSON lines:
// {"code"}: the code to scan; {"digits"}: type them on the other device; {"ask": "digits"}: answer
// with a line {"digits": "07"}; {"event"}: progress; {"log"}: a line of the bot.
import { createInterface } from "node:readline";

import { open, run } from "../examples/bot.js";

const say = (line) => void process.stdout.write(`${JSON.stringify(line)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const person = {
  showCode: ({ code }) => say({ code }),
  showCheckCode: (digits) => say({ digits }),
  enterCheckCode: async () => (say({ ask: "digits" }), JSON.parse((await lines.next()).value).digits),
  confirmOwnDevice: () => false,
  openLink: () => false,
  confirmUser: () => true,
  progress: (event) => say({ event }),
};

const { out, ...options } = JSON.parse(process.argv[2]);
const opened = await open({ ...options, person });
if (out) {
  await opened.session.logout();
  await opened.keys.remove();
  say({ log: "signed out" });
  process.exit();
}
await run(opened, undefined, (log) => say({ log }));
