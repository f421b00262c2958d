// The store on disk: what a machine was told is complete is there after a crash.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { IDBKeyRange } from "fake-indexeddb";
import { DeviceId, OlmMachine, RequestType, UserId, initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { DiskStore } from "matrix-qr/olm-machine";

import { folder } from "./folder.js";

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** A database with two object stores, one of them with an index. */
async function database(store, version = 1, upgrade = () => {}) {
  const request = indexedDB.open(`${store.name}::things`, version ?? undefined);
  request.onupgradeneeded = ({ oldVersion }) => {
    if (oldVersion === 0) {
      request.result.createObjectStore("a").createIndex("by_size", "size", { unique: false });
      request.result.createObjectStore("b");
    }
    upgrade(request.result, request.transaction);
  };
  return done(request);
}

function write(db, change) {
  const transaction = db.transaction(["a", "b"], "readwrite");
  change(transaction.objectStore("a"), transaction.objectStore("b"));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
}

async function contents(db) {
  const found = {};
  for (const name of db.objectStoreNames) {
    const store = db.transaction(name, "readonly").objectStore(name);
    const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
    found[name] = Object.fromEntries(keys.map((key, i) => [JSON.stringify(key), values[i]]));
  }
  return found;
}

/** Opens the file as a process would after a crash: from a copy, as the lock is still held. */
async function afterACrash(file, look) {
  const copy = join(folder(), "keys");
  writeFileSync(copy, readFileSync(file), { mode: 0o600 });
  const store = await DiskStore.open(copy);
  const db = await database(store, null);
  try {
    return await look(db, store);
  } finally {
    db.close();
    await store.close();
  }
}

test("each complete transaction is on the disk, and no other", async () => {
  const file = join(folder(), "deep", "keys");
  const store = new DiskStore();
  let db = await database(store);
  await write(db, (a) => a.put({ size: 1 }, "before"));
  await store.save(file);
  const same = async () => assert.deepEqual(await afterACrash(file, contents), await contents(db));
  await same();
  await write(db, (a, b) => {
    for (let i = 0; i < 6; i++) a.put({ size: i, bytes: new Uint8Array([i]) }, ["key", i]);
    b.add("text", 7);
  });
  await same();
  await write(db, (a) => {
    a.delete(["key", 0]);
    a.delete(IDBKeyRange.bound(["key", 1], ["key", 3], true));
    a.delete(IDBKeyRange.upperBound("a"));
  });
  await same();
  await write(db, (a) => {
    a.index("by_size").openCursor(4).onsuccess = ({ target }) => target.result.update({ size: 40 });
    a.openCursor(["key", 5]).onsuccess = ({ target }) => target.result.delete();
  });
  await same();
  const failing = write(db, (a, b) => (a.put({ size: 99 }, "never"), b.add("again", 7)));
  await assert.rejects(failing, { name: "ConstraintError" });
  await same();
  await write(db, (a, b) => {
    b.add("again", 7).onerror = (event) => event.preventDefault();
    b.put("still", 8);
  });
  await same();
  assert.equal((await contents(db)).b["7"], "text");
  await write(db, (_, b) => b.clear());
  await same();
  db.close();
  db = await database(store, 2, (db, transaction) => {
    db.deleteObjectStore("b");
    db.createObjectStore("c").put("new", 1);
    transaction.objectStore("a").deleteIndex("by_size");
  });
  await same();
  await afterACrash(file, (db) => {
    assert.equal(db.version, 2);
    assert.deepEqual([...db.transaction("a").objectStore("a").indexNames], []);
  });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  db.close();
  await store.close();
  assert.ok(!existsSync(`${file}.lock`));
});

test("the index is there again", async () => {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  const db = await database(store);
  await store.save(file);
  await write(db, (a) => a.put({ size: 5 }, "x"));
  await afterACrash(file, async (db) => {
    assert.deepEqual(await done(db.transaction("a").objectStore("a").index("by_size").get(5)), { size: 5 });
  });
  db.close();
  await store.close();
});

test("a listener that learns of a transaction finds it on the disk", async () => {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  const db = await database(store);
  await store.save(file);
  const before = statSync(file).size;
  let then = 0;
  const transaction = db.transaction("a", "readwrite");
  transaction.addEventListener("complete", () => (then = statSync(file).size));
  transaction.objectStore("a").put({}, "x");
  await new Promise((resolve) => (transaction.oncomplete = resolve));
  assert.ok(then > before);
  db.close();
  await store.close();
});

test("the file starts over before it is long, and loses nothing that is written meanwhile", async () => {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  const db = await database(store);
  await store.save(file);
  const inode = statSync(file).ino;
  for (let i = 0; i < 60; i++) await write(db, (a) => a.put(new Uint8Array(100_000).fill(i), i % 3));
  // The old file is as good as the new one for as long as that is being written.
  assert.deepEqual(await afterACrash(file, contents), await contents(db));
  db.close();
  await store.close();
  assert.notEqual(statSync(file).ino, inode);
  assert.ok(statSync(file).size < 4_500_000, `${statSync(file).size}`);
  assert.ok(!existsSync(`${file}.new`));
});

test("what is written while the file starts over is in the new one", async () => {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  const db = await database(store);
  // This one comes second, and takes a while.
  const other = indexedDB.open(`${store.name}::zzz`, 1);
  other.onupgradeneeded = () => {
    for (let i = 0; i < 40; i++) other.result.createObjectStore(`s${i}`).put(new Uint8Array(10_000), 1);
  };
  (await done(other)).close();
  let saved = false;
  const saving = store.save(file).then(() => (saved = true));
  let writes = 0;
  for (; !saved; writes++) await write(db, (a) => a.put({ size: writes }, writes));
  await saving;
  assert.ok(writes > 5);
  assert.deepEqual(await afterACrash(file, contents), await contents(db));
  db.close();
  await store.close();
});

test("an interrupted write is forgotten, a damaged file is refused", async () => {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  const db = await database(store);
  await store.save(file);
  const first = statSync(file).size;
  await write(db, (a) => a.put({ size: 1 }, "x"));
  await write(db, (a) => a.put({ size: 2, long: "y".repeat(1000) }, "y"));
  db.close();
  await store.close();
  const whole = readFileSync(file);
  const names = async () => Object.keys((await afterACrash(file, contents)).a);
  for (const cut of [1, 17, 30]) {
    truncateSync(file, whole.length - cut);
    assert.deepEqual(await names(), ['"x"'], `${cut} bytes are missing`);
  }
  writeFileSync(file, Buffer.concat([whole, Buffer.alloc(4096)]));
  assert.deepEqual(await names(), ['"x"', '"y"']);
  // What was torn is gone from the file, so that the next entry follows a whole one.
  writeFileSync(file, whole.subarray(0, whole.length - 1));
  const again = await DiskStore.open(file);
  const db2 = await database(again, null);
  await write(db2, (a) => a.put({ size: 3 }, "z"));
  assert.deepEqual(await names(), ['"x"', '"z"']);
  db2.close();
  await again.close();
  for (const at of [3, first + 2, first + 20]) {
    const damaged = Buffer.from(whole);
    damaged[at] ^= 1;
    writeFileSync(file, damaged);
    await assert.rejects(DiskStore.open(file), /is damaged/, `byte ${at}`);
  }
});

test("there is nothing to open before something was saved", async () => {
  const file = join(folder(), "keys");
  await assert.rejects(DiskStore.open(file), { name: "MatrixQrError", code: 1 });
  assert.ok(!existsSync(`${file}.lock`));
});

/** Another process, which opens the store of this file, or finds it in use, and waits for its end. */
async function another(context, file) {
  const code = `
    import { DiskStore } from ${JSON.stringify(new URL("../src/disk-store.js", import.meta.url).href)};
    const said = await DiskStore.open(${JSON.stringify(file)}).then(() => "open", (error) => error.message);
    console.log(said);
    process.stdin.on("end", () => process.exit()).resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["pipe", "pipe", "inherit"] });
  context.after(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const [said] = await once(child.stdout.setEncoding("utf8"), "data");
  return { said: said.trim(), end: () => (child.stdin.end(), ended), kill: () => (child.kill("SIGKILL"), ended) };
}

/** A saved store that nobody has open. */
async function saved() {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  await store.save(file);
  await store.close();
  return file;
}

test("one process at a time, and each of its stores alone", async (context) => {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  await store.save(file);
  await assert.rejects(DiskStore.open(file), (error) => /in use/.test(error.message) && /close it/.test(error.advice));
  const refused = await another(context, file);
  assert.match(refused.said, /in use/);
  await refused.end();
  await store.close();
  assert.ok(!existsSync(`${file}.lock`));
  const other = await another(context, file);
  assert.equal(other.said, "open");
  await assert.rejects(DiskStore.open(file), /in use/);
  await other.kill();
  await (await DiskStore.open(file)).close();
});

test("what is written in the lock file says nothing about its owner", async (context) => {
  const file = await saved();
  // A process of a container that is gone: here, another one has its ID.
  writeFileSync(`${file}.lock`, String(process.ppid));
  const other = await another(context, file);
  assert.equal(other.said, "open");
  // A process of another container: here, nobody has its ID. Or it has not been written yet.
  for (const text of [String(2 ** 30), ""]) {
    writeFileSync(`${file}.lock`, text);
    await assert.rejects(DiskStore.open(file), /in use/);
  }
});

test("of many that find a lock left behind, one gets it", async (context) => {
  const file = await saved();
  const { kill } = await another(context, file);
  await kill();
  assert.ok(existsSync(`${file}.lock`));
  const said = (await Promise.all(Array.from({ length: 8 }, () => another(context, file)))).map(({ said }) => said);
  assert.equal(said.filter((text) => text === "open").length, 1, said.join("\n"));
  assert.equal(said.filter((text) => /in use/.test(text)).length, 7, said.join("\n"));
});

test("a lock whose owner removes it just then is not taken for the next one", { skip: process.platform === "darwin" }, async (context) => {
  const file = await saved();
  const path = process.env.PATH;
  const bin = folder();
  // It removes the file that was opened, once, and then locks it.
  const script = `#!/bin/sh\nPATH=${path}\nmkdir ${bin}/once && rm ${file}.lock\nexec flock "$@" 2>/dev/null\n`;
  writeFileSync(join(bin, "flock"), script, { mode: 0o755 });
  process.env.PATH = bin;
  const opening = DiskStore.open(file).finally(() => (process.env.PATH = path));
  const store = await opening;
  assert.ok(existsSync(join(bin, "once")));
  assert.match((await another(context, file)).said, /in use/);
  await store.close();
});

test("without the program `flock` there is no lock, and so no store", { skip: process.platform === "darwin" }, async () => {
  const file = await saved();
  const path = process.env.PATH;
  try {
    process.env.PATH = "";
    await assert.rejects(DiskStore.open(file), (error) => /`flock`/.test(error.message) && /util-linux/.test(error.advice));
    const broken = folder();
    writeFileSync(join(broken, "flock"), "#!/bin/sh\necho no such system call >&2; exit 1\n", { mode: 0o755 });
    process.env.PATH = broken;
    await assert.rejects(DiskStore.open(file), (error) => /cannot be locked/.test(error.message) && /no such system call/.test(error.cause));
  } finally {
    process.env.PATH = path;
  }
  await (await DiskStore.open(file)).close();
});

test("keys that somebody else could read are not used", async (context) => {
  const file = await saved();
  const refused = (pattern, advice) => assert.rejects(DiskStore.open(file), (error) => pattern.test(error.message) && advice.test(error.advice));
  for (const mode of [0o640, 0o604, 0o666]) {
    chmodSync(file, mode);
    await refused(new RegExp(`mode ${mode.toString(8)}`), new RegExp(`chmod 600 ${file}`));
  }
  chmodSync(file, 0o600);
  const user = process.geteuid();
  context.mock.method(process, "geteuid", () => user + 1);
  await refused(new RegExp(`belongs to user ${user}, and this is user ${user + 1}`), /the user to whom/);
  process.geteuid.mock.restore();
  renameSync(file, `${file}.elsewhere`);
  symlinkSync(`${file}.elsewhere`, file);
  await refused(/is a symbolic link/, /points/);
  rmSync(file);
  spawnSync("mkfifo", ["--mode=600", file]);
  await assert.rejects(DiskStore.open(file), /is not a file/);
  rmSync(file);
  renameSync(`${file}.elsewhere`, file);
  await (await DiskStore.open(file)).close();
});

test("a process that cannot write ends, and tells nobody that it has written", async () => {
  const file = join(folder(), "keys");
  const code = `
    import { DiskStore } from "matrix-qr/olm-machine";
    const store = new DiskStore();
    const request = indexedDB.open(store.name + "::things", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("a");
    request.onsuccess = async () => {
      await store.save(${JSON.stringify(file)});
      const transaction = request.result.transaction("a", "readwrite");
      transaction.objectStore("a").put(new Uint8Array(900_000), 1);
      transaction.oncomplete = () => console.log("complete");
      console.log("started");
    };`;
  // The limit of a file's size, in blocks of 512 or 1024 bytes, stands for a full disk.
  const limited = `trap '' XFSZ; ulimit -f 300; exec "$@"`;
  const args = ["-c", limited, "bash", process.execPath, "--input-type=module", "-e", code];
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout, stderr } = spawnSync("bash", args, { cwd, encoding: "utf8" });
  assert.equal(stdout, "started\n", stderr);
  assert.notEqual(status, 0);
  assert.match(stderr, /EFBIG/);
});

test("another IndexedDB is not touched", async () => {
  const store = new DiskStore();
  const request = indexedDB.open("somebody else's", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("x", { keyPath: "id", autoIncrement: true }).put({});
  assert.deepEqual([...(await done(request)).objectStoreNames], ["x"]);
  await store.close();
});

test("a store is closed although somebody still has its database open", async () => {
  const file = join(folder(), "keys");
  const store = new DiskStore();
  const db = await database(store);
  await store.save(file);
  await write(db, (a) => a.put({ size: 1 }, "x"));
  await store.close();
  assert.deepEqual((await contents(db)).a, {}, "its memory is free");
  assert.deepEqual(Object.keys((await afterACrash(file, contents)).a), ['"x"']);
});

test("a machine starts again with its keys", async () => {
  await initAsync();
  const file = join(folder(), "keys");
  const store = new DiskStore();
  const start = (store) => OlmMachine.initialize(new UserId("@a:b.c"), new DeviceId("DEVICE"), store.name);
  const machine = await start(store);
  await store.save(file);
  const upload = (await machine.outgoingRequests()).find(({ type }) => type === RequestType.KeysUpload);
  const counts = { one_time_key_counts: { signed_curve25519: 50 } };
  await machine.markRequestAsSent(upload.id, upload.type, JSON.stringify(counts));
  const copy = join(folder(), "keys");
  writeFileSync(copy, readFileSync(file), { mode: 0o600 });
  const again = await DiskStore.open(copy);
  const second = await start(again);
  assert.equal(second.identityKeys.ed25519.toBase64(), machine.identityKeys.ed25519.toBase64());
  assert.ok((await second.outgoingRequests()).every(({ type }) => type !== RequestType.KeysUpload));
  machine.close();
  second.close();
  await store.close();
  await again.close();
});
