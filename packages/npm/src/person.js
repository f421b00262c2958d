import { createInterface } from "node:readline";

import { MatrixQrError } from "./errors.js";

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
 * that is aborted when its answer is not needed any more: take it off the screen then.
 *
 * @typedef {object} Person
 * @property {(warning: string, signal: AbortSignal) => boolean | Promise<boolean>} confirmOwnDevice
 *   Existing device, before it shows a code or looks at one: tells the person what that can lead to (in
 *   `warning`, or in the program's own words), and asks whether the new device is theirs and they started
 *   the sign-in themselves. `false` ends it.
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
 * A person at a terminal.
 *
 * @param {{ input?: NodeJS.ReadableStream, output?: NodeJS.WritableStream }} [streams]
 *   Standard input and standard output by default.
 * @returns {Person}
 */
export function terminalPerson({ input = process.stdin, output = process.stdout } = {}) {
  /** @param {string} text */
  const say = (text) => void output.write(`${clean(text)}\n`);
  /** @param {string} question @param {AbortSignal} signal */
  const yes = async (question, signal) => {
    const answer = await ask({ input, output }, `${question} [y/n] `, /^(y|yes|n|no)$/i, signal);
    return /^y/i.test(answer);
  };
  return {
    confirmOwnDevice(warning, signal) {
      say(`Before you sign in another device:\n${warning}`);
      return yes("Is the new device yours, and did you start this yourself?", signal);
    },
    showCode({ code, drawing }) {
      say("Scan this code with the other device:\n");
      say(drawing);
      say(`\nOr paste it as text:\n${code}\n`);
    },
    showCheckCode(digits) {
      say(`Type these digits on the other device: ${digits}`);
    },
    enterCheckCode(signal) {
      return ask({ input, output }, "Which two digits does the other device show? ", /^[0-9]{2}$/, signal);
    },
    openLink({ link, host, warning }, signal) {
      say(`Open this link in a browser, and agree there:\n${link}`);
      say(`The browser must show this host:\n\n    ${host}\n`);
      if (warning !== null) say(`Warning: ${warning}`);
      return yes(`Did you open the page of ${host}?`, signal);
    },
    confirmUser(userId, signal) {
      return yes(`Sign in as ${userId}?`, signal);
    },
    progress(event) {
      if (event["event"] !== "user_code") return;
      if (event["warning"]) say(`Warning: ${event["warning"]}`);
      say(`If the page asks for a code, enter: ${event["user_code"]}`);
    },
  };
}

/**
 * Asks until the answer has the right form.
 *
 * @param {{ input: NodeJS.ReadableStream, output: NodeJS.WritableStream }} streams
 * @param {string} question
 * @param {RegExp} form
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
function ask(streams, question, form, signal) {
  return new Promise((resolve, reject) => {
    const release = hold(streams.input);
    const lines = createInterface(streams);
    const put = () => {
      lines.setPrompt(clean(question));
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
      release();
      reject(new MatrixQrError("there is nobody to answer", { code: 3, cause: "end of input" }));
    });
    if (signal.aborted) lines.close();
    else put();
  });
}

/**
 * A pipe that was read once keeps the process from ending, even when nobody reads it any more.
 *
 * @param {NodeJS.ReadableStream & { readableFlowing?: boolean | null, ref?: () => void, unref?: () => void }} input
 * @returns {() => void} Undoes that, unless somebody else reads it too.
 */
function hold(input) {
  const isReadByOthers = input.readableFlowing === true;
  input.ref?.();
  return () => {
    if (!isReadByOthers) input.unref?.();
  };
}

/**
 * Text from a server must not steer the terminal.
 *
 * @param {string} text
 */
function clean(text) {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => (character === "\n" ? "\n" : "\ufffd"));
}
