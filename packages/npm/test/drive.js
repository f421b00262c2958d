// Runs examples/bot.js as it is, for a test that plays the person:
//   node drive.js [--scan CODE] BOT DIRECTORY USER [out]
//
// The person is told and asked what `matrix-qr login --json` tells and asks: JSON objects on standard
// output, between the lines of the bot, and a line on standard input that answers each question. `http`
// is allowed to this machine. MATRIX_QR_PROGRAM names the program.
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const words = process.argv.slice(2);
const scan = words[0] === "--scan" ? words.splice(0, 2)[1] : undefined;
const [bot, directory, user, out] = words;

const event = (event) => console.log(JSON.stringify(event));
let lines;

async function ask(question) {
  event({ event: "question", ...question });
  lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  return (await lines.next()).value;
}

const person = {
  scanCode: () => scan,
  showCode: ({ code }) => event({ event: "show", code }),
  showCheckCode: (digits) => event({ event: "check_code", digits }),
  enterCheckCode: () => ask({ question: "check_code" }),
  confirmOwnDevice: () => true,
  openLink: async ({ link }) => (await ask({ question: "open_link", link })) === "y",
  confirmUser: async (user_id) => (await ask({ question: "confirm_user", user_id })) === "y",
  progress: event,
};

const { open, run } = await import(pathToFileURL(resolve(bot)).href);
const program = process.env.MATRIX_QR_PROGRAM;
const opened = await open({ directory, user, scan: scan !== undefined, person, program, allowLoopbackHttp: true });
if (out) await opened.session.logout().then(() => opened.keys.remove());
else await run(opened);
