/**
 * An access token, and whose it is. The token is not printed.
 */
export declare class AccessToken {
    #private;
    /** When it ends, in seconds since 1970 by this machine's clock, or `null` if the server does not say. */
    expiresAt: number | null;
    userId: string;
    deviceId: string;
    /** The base URL of the homeserver. */
    homeserver: string;
    /**
     * @param {string} token
     * @param {{ expiresAt: number | null, userId: string, deviceId: string, homeserver: string }} about
     */
    constructor(token: string, { expiresAt, userId, deviceId, homeserver }: {
        expiresAt: number | null;
        userId: string;
        deviceId: string;
        homeserver: string;
    });
    get token(): string;
    /** @param {number} seconds */
    isGoodFor(seconds: number): boolean;
}
/**
 * The session of a device that is signed in. Its refresh token stays in the directory, which only
 * `matrix-qr` reads and writes.
 */
export declare class Session {
    #private;
    directory: string;
    /**
     * @param {string} directory
     * @param {import("./helper.js").ProgramOptions} [options]
     */
    constructor(directory: string, options?: import("./helper.js").ProgramOptions);
    /**
     * An access token that is good for at least so many seconds. It is refreshed where that is needed.
     *
     * @param {{ goodFor?: number }} [options]
     * @returns {Promise<AccessToken>}
     */
    accessToken({ goodFor }?: {
        goodFor?: number;
    }): Promise<AccessToken>;
    /**
     * `fetch` as this device: with its access token, refreshed where that is needed.
     *
     * @param {string | URL} path A path of the homeserver, such as `/_matrix/client/v3/sync`, or a URL on it.
     * @param {RequestInit & { goodFor?: number }} [init]
     *   `goodFor`: how long the token must still be good for at the start, in seconds.
     * @returns {Promise<Response>}
     */
    fetch(path: string | URL, { goodFor, ...init }?: RequestInit & {
        goodFor?: number;
    }): Promise<Response>;
    /**
     * A request with JSON in both directions. An answer other than 2xx is an error.
     *
     * @param {string} method
     * @param {string} path As in `fetch`.
     * @param {string | Record<string, unknown>} [body] An object, or JSON.
     * @param {RequestInit & { goodFor?: number }} [init]
     * @returns {Promise<any>}
     */
    request(method: string, path: string, body?: string | Record<string, unknown>, init?: RequestInit & {
        goodFor?: number;
    }): Promise<any>;
    /**
     * Fetches the keys of old messages from the key backup, and hands them to the device's keys.
     *
     * @param {{ keys?: import("./keys.js").Keys, passphrase?: string }} [options] As in `signIn`.
     * @returns {Promise<{ keys: number, undecryptable: number, outdated: string | null }>}
     */
    restoreKeys({ keys, passphrase }?: {
        keys?: import("./keys.js").Keys;
        passphrase?: string;
    }): Promise<{
        keys: number;
        undecryptable: number;
        outdated: string | null;
    }>;
    /**
     * Ends the session on the server, and removes the files of the directory. Keys of your own that
     * are elsewhere are yours to remove.
     *
     * A session that has ended on the server (code 10) cannot be ended again. `local` removes the files
     * without contacting a server.
     *
     * @param {{ local?: boolean }} [options]
     * @returns {Promise<{ userId: string | null, deviceId: string | null, removeIt: string | null }>} Whose it
     *   was; `null` if an interrupted sign-in left the directory. `removeIt`: after a local logout, where the
     *   device can be removed from the account, where it may still be (the end of a sentence).
     */
    logout({ local }?: {
        local?: boolean;
    }): Promise<{
        userId: string | null;
        deviceId: string | null;
        removeIt: string | null;
    }>;
}
