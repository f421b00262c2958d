import { createInterface } from "node:readline";

import { MatrixQrError } from "./errors.js";
import { told } from "./progress.js";
import { harmless } from "./text.js";

/**
 * What a person is shown as a QR code.
 *
 * @typedef {object} ShownCode
 * @property {string} code The code as text (base64), for a device that takes a pasted one.
 * @property {string} drawing Unicode half blocks, for a terminal with a dark background.
 * @property {string} svg A picture.
 */

/**
 * The page where the person agrees to the sign-in.
 *
 * @typedef {object} ConsentLink
 * @property {string} link The whole link.
 * @property {string} host Its host, to be compared with what the browser shows. In ASCII: a name with other
 *   letters is in Punycode.
 * @property {string | null} warning What the person must know first; `null` if the page is on the site of the
 *   account's homeserver or of its authorization server.
 */

/**
 * The person at a sign-in. Any object with these methods will do. Each question comes with a signal
 * that is aborted when its answer is not needed any more: take it off the screen then. Servers wrote
 * parts of what is shown: use `harmless` for what goes to a terminal.
 *
 * @typedef {object} Person
 * @property {(warning: string, signal: AbortSignal) => boolean | Promise<boolean>} confirmOwnDevice
 *   Existing device, before it shows a code or asks for one: tells the person what that can lead to (in
 *   `warning`, or in the program's own words), and asks whether the new device is theirs and they started
 *   the sign-in themselves. `false` ends it.
 * @property {(problem: string | null, signal: AbortSignal) => string | Promise<string>} scanCode
 *   With `scan`: the text of the code that the other device shows, as it was scanned or pasted. There are
 *   two attempts: `problem` says at the second one what was wrong with the first text.
 * @property {(code: ShownCode, signal: AbortSignal) => void | Promise<void>} showCode
 *   Shows the QR code that the other device scans.
 * @property {(digits: string, signal: AbortSignal) => void | Promise<void>} showCheckCode
 *   Shows the two digits that the person types on the other device.
 * @property {(signal: AbortSignal) => string | Promise<string>} enterCheckCode
 *   Asks for the two digits that the other device shows, for example "07". There is one attempt.
 * @property {(link: ConsentLink, signal: AbortSignal) => boolean | Promise<boolean>} openLink
 *   Shows the host and the warning, and opens the link in a browser, where the person agrees. `false`: the
 *   person refuses.
 * @property {(userId: string, signal: AbortSignal) => boolean | Promise<boolean>} confirmUser
 *   Whether this is the account to join. It is not asked if `user` was given.
 * @property {(event: Record<string, unknown>) => void} [progress]
 *   What happens: the events of docs/json-events.md. The new device must show the `user_code` of the
 *   event with that name, because the page where the person agrees may ask for it.
 */

/**
 * Standard input, whatever it is.
 *
 * @typedef {NodeJS.ReadableStream & {
 *   isTTY?: boolean, setRawMode?: (on: boolean) => unknown,
 *   readableFlowing?: boolean | null, ref?: () => void, unref?: () => void,
 * }} Keyboard
 */

/**
 * A person at a terminal. What was typed there before a question does not answer it.
 *
 * @param {{ input?: Keyboard, output?: NodeJS.WritableStream }} [streams]
 *   Standard input and standard output by default.
 * @returns {Person}
 */
export function terminalPerson({ input = process.stdin, output = process.stdout } = {}) {
  /** @param {string} text */
  const say = (text) => void output.write(`${text}\n`);
  /** @param {string} question @param {AbortSignal} signal */
  const yes = async (question, signal) => {
    const answer = await ask({ input, output }, `${question} [y/n] `, /^(y|yes|n|no)$/i, signal);
    return /^y/i.test(answer);
  };
  return {
    confirmOwnDevice(warning, signal) {
      say(`Before you sign in another device:\n${harmless(warning)}`);
      return yes("Is the new device yours, and did you start this yourself?", signal);
    },
    scanCode(problem, signal) {
      if (problem !== null) say(`This is not the code: ${harmless(problem)}.`);
      return ask({ input, output }, "Paste the other device's code as text, then press Enter: ", /./, signal);
    },
    showCode({ code, drawing }) {
      say("Scan this code with the other device:\n");
      say(drawing.split("\n").map(harmless).join("\n"));
      say(`\nOr paste it as text:\n${harmless(code)}\n`);
    },
    showCheckCode(digits) {
      say(`Type these digits on the other device: ${harmless(digits)}`);
    },
    enterCheckCode(signal) {
      return ask({ input, output }, "Which two digits does the other device show? ", /^[0-9]{2}$/, signal);
    },
    openLink({ link, host, warning }, signal) {
      say(`Open this link in a browser, and agree there:\n${harmless(link)}`);
      say(`The browser must show this host:\n\n    ${harmless(host)}\n`);
      if (warning !== null) say(`Warning: ${harmless(warning)}`);
      return yes(`Did you open the page of ${harmless(host)}?`, signal);
    },
    confirmUser(userId, signal) {
      return yes(`Sign in as ${harmless(userId)}?`, signal);
    },
    progress(event) {
      told(event).forEach(say);
    },
  };
}

/**
 * Asks until the answer has the right form.
 *
 * @param {{ input: Keyboard, output: NodeJS.WritableStream }} streams
 * @param {string} question
 * @param {RegExp} form
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
async function ask(streams, question, form, signal) {
  const release = hold(streams.input);
  try {
    await forget(streams.input);
    return await answer(streams, question, form, signal);
  } finally {
    release();
  }
}

/**
 * @param {{ input: Keyboard, output: NodeJS.WritableStream }} streams
 * @param {string} question
 * @param {RegExp} form
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
function answer(streams, question, form, signal) {
  return new Promise((resolve, reject) => {
    const lines = createInterface(streams);
    const put = () => {
      lines.setPrompt(question);
      lines.prompt();
    };
    const gone = () => lines.close();
    signal.addEventListener("abort", gone, { once: true });
    lines.on("line", (line) => {
      const answer = line.trim();
      if (!form.test(answer)) return put();
      resolve(answer);
      lines.close();
    });
    // After an answer this changes nothing any more.
    lines.on("close", () => {
      signal.removeEventListener("abort", gone);
      reject(new MatrixQrError("there is nobody to answer", { code: 3, cause: "end of input" }));
    });
    if (signal.aborted || !streams.input.readable) lines.close();
    else put();
  });
}

/**
 * Drops what was typed at a terminal before a question: it is not an answer to it.
 *
 * @param {Keyboard} input
 */
async function forget(input) {
  if (!input.isTTY) return;
  // A terminal hands out half a line, too, then.
  input.setRawMode?.(true);
  let isEmpty = false;
  const drop = () => void (isEmpty = false);
  input.on("data", drop).resume();
  // Each turn of the event loop reads once.
  while (!isEmpty) {
    isEmpty = true;
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  input.off("data", drop);
  input.pause();
  input.setRawMode?.(false);
}

/**
 * A pipe that was read once keeps the process from ending, even when nobody reads it any more.
 *
 * @param {Keyboard} input
 * @returns {() => void} Undoes that, unless somebody else reads it too.
 */
function hold(input) {
  const isReadByOthers = input.readableFlowing === true;
  input.ref?.();
  return () => {
    if (!isReadByOthers) input.unref?.();
  };
}
