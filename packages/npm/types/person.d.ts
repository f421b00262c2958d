export type ShownCode = {
    /**
     * The code as text (base64), for a device that takes a pasted one.
     */
    code: string;
    /**
     * Unicode half blocks, for a terminal with a dark background.
     */
    drawing: string;
    /**
     * A picture.
     */
    svg: string;
};
export type ConsentLink = {
    /**
     * The whole link.
     */
    link: string;
    /**
     * Its host, to be compared with what the browser shows. In ASCII: a name with other
     * letters is in Punycode.
     */
    host: string;
    /**
     * What the person must know first; `null` if the page is on the site of the
     * account's homeserver or of its authorization server.
     */
    warning: string | null;
};
export type Person = {
    /**
     *   Existing device, before it shows a code or asks for one: tells the person what that can lead to (in
     *   `warning`, or in the program's own words), and asks whether the new device is theirs and they started
     *   the sign-in themselves. `false` ends it.
     */
    confirmOwnDevice: (warning: string, signal: AbortSignal) => boolean | Promise<boolean>;
    /**
     *   With `scan`: the text of the code that the other device shows, as it was scanned or pasted. There are
     *   two attempts: `problem` says at the second one what was wrong with the first text.
     */
    scanCode: (problem: string | null, signal: AbortSignal) => string | Promise<string>;
    /**
     *   Shows the QR code that the other device scans.
     */
    showCode: (code: ShownCode, signal: AbortSignal) => void | Promise<void>;
    /**
     *   Shows the two digits that the person types on the other device.
     */
    showCheckCode: (digits: string, signal: AbortSignal) => void | Promise<void>;
    /**
     *   Asks for the two digits that the other device shows, for example "07". There is one attempt.
     */
    enterCheckCode: (signal: AbortSignal) => string | Promise<string>;
    /**
     *   Shows the host and the warning, and opens the link in a browser, where the person agrees. `false`: the
     *   person refuses.
     */
    openLink: (link: ConsentLink, signal: AbortSignal) => boolean | Promise<boolean>;
    /**
     *   Whether this is the account to join. It is not asked if `user` was given.
     */
    confirmUser: (userId: string, signal: AbortSignal) => boolean | Promise<boolean>;
    /**
     * What happens: the events of docs/json-events.md. The new device must show the `user_code` of the
     * event with that name, because the page where the person agrees may ask for it.
     */
    progress?: (event: Record<string, unknown>) => void;
};
export type Keyboard = NodeJS.ReadableStream & {
    isTTY?: boolean;
    setRawMode?: (on: boolean) => unknown;
    readableFlowing?: boolean | null;
    ref?: () => void;
    unref?: () => void;
};
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
export declare function terminalPerson({ input, output }?: {
    input?: Keyboard;
    output?: NodeJS.WritableStream;
}): Person;
