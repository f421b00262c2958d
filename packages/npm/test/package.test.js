// The package as others get it: its types, its files, the first lines of its README.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, readdirSync, realpathSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { grant } from "matrix-qr";

import { Meeting, Sandbox, program } from "./sandbox.js";
import { folder } from "./folder.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = (...args) => {
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...args], { cwd: root, stdio: "pipe" });
  } catch (error) {
    assert.fail(`${error.stdout}${error.stderr}`);
  }
};

test("the source has the types that are in types/", () => {
  const made = folder();
  tsc("--project", "tsconfig.json", "--outDir", made);
  const names = readdirSync(made).sort();
  assert.ok(names.includes("index.d.ts"));
  assert.deepEqual(readdirSync(join(root, "types")).sort(), names);
  for (const name of names) {
    const text = readFileSync(join(made, name), "utf8");
    assert.equal(readFileSync(join(root, "types", name), "utf8"), text, `npm run types (${name})`);
  }
});

test("a TypeScript program can use it", () => {
  const options = ["--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
  tsc("--ignoreConfig", ...options, "--lib", "es2023,dom,dom.iterable", "--types", "node", "test/consumer.ts");
});

test("the files of the package", () => {
  const [pack] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root }));
  const names = pack.files.map(({ path }) => path).filter((path) => !path.startsWith("bin/"));
  const source = readdirSync(join(root, "src")).map((name) => name.replace(/\.js$/, ""));
  assert.deepEqual(names.sort(), [
    "LICENSE", "README.md", "package.json", "examples/bot.js",
    ...source.map((name) => `src/${name}.js`), ...source.map((name) => `types/${name}.d.ts`),
  ].sort());
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const { types, default: code } of Object.values(exports).filter((entry) => typeof entry === "object")) {
    assert.ok(statSync(join(root, types)).isFile() && statSync(join(root, code)).isFile());
  }
  assert.doesNotMatch(readFileSync(join(root, "package-lock.json"), "utf8"), /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/);
});

test("the example is as short as the documents say", () => {
  assert.ok(readFileSync(join(root, "examples/bot.js"), "utf8").trimEnd().split("\n").length < 60);
});

test("the core needs nothing but Node", async () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal(dependencies, undefined);
  const alone = folder();
  execFileSync("cp", ["-r", join(root, "src"), join(root, "package.json"), alone]);
  const code = 'import("./src/index.js").then(() => import("./src/matrix-js-sdk.js")).then(() => console.log("loaded"))';
  assert.equal(execFileSync(process.execPath, ["-e", code], { cwd: alone, encoding: "utf8" }), "loaded\n");
});

test("the program is the one beside the package, or else the one on the PATH", () => {
  const alone = realpathSync(folder());
  execFileSync("cp", ["-r", join(root, "src"), join(root, "package.json"), alone]);
  const [beside, onPath] = [join(alone, "bin"), folder()].map((directory) => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "matrix-qr"), "", { mode: 0o755 });
    return join(directory, "matrix-qr");
  });
  const code = 'import("./src/program.js").then(({ findProgram }) => process.stdout.write(findProgram()))';
  const env = { PATH: dirname(onPath) };
  const found = () => execFileSync(process.execPath, ["-e", code], { cwd: alone, env, encoding: "utf8" });
  assert.equal(found(), beside);
  // One that cannot be run is none.
  chmodSync(beside, 0o644);
  assert.equal(found(), onPath);
});

/** A program named `matrix-qr` that takes the account of the README for the sandbox's. */
function standIn(sandbox) {
  const bin = folder();
  const code = `#!${process.execPath}
    const { spawn } = require("node:child_process");
    const child = spawn(${JSON.stringify(program())}, ["helper", "--allow-loopback-http"], { stdio: ["pipe", "inherit", "inherit"] });
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const message = JSON.parse(line);
      if (message.method === "login") {
        if (message.params.user !== "@bot:example.org") process.exit(1);
        Object.assign(message.params, ${JSON.stringify({ user: sandbox.userId, homeserver: sandbox.homeserver })});
      }
      child.stdin.write(JSON.stringify(message) + "\\n");
    }).on("close", () => child.stdin.end());
    child.on("exit", (code) => process.exitCode = code);`;
  writeFileSync(join(bin, "matrix-qr"), code, { mode: 0o755 });
  return bin;
}

test("the first lines of the README, as printed", async (context) => {
  const sandbox = await Sandbox.start(context, "--account", "bot");
  const [, lines] = readFileSync(join(root, "README.md"), "utf8").match(/```js\n(.*?)```/s);
  const project = folder();
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules/matrix-qr"));
  writeFileSync(join(project, "first.mjs"), lines);
  const env = { ...process.env, PATH: `${standIn(sandbox)}${delimiter}${process.env.PATH}` };
  const child = spawn(process.execPath, ["first.mjs"], { cwd: project, env, stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  context.after(() => child.kill());
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (screen += text));
  const shows = async (pattern) => {
    while (!pattern.test(screen)) {
      await Promise.race([once(child.stdout, "data"), ended.then((code) => assert.fail(`it ended (${code}): ${screen}`))]);
    }
    return screen.match(pattern);
  };
  const [code] = await shows(/^TUFU\S+$/m);
  assert.match(screen, /[█▀▄]{20}/);
  const showCheckCode = (digits) => shows(/digits does the other device show\?/).then(() => void child.stdin.write(`${digits}\n`));
  const { deviceId } = await grant({ ...sandbox.existing, scan: true, person: new Meeting().person({ scanCode: () => code, showCheckCode }) });
  // It ends by itself, although its input is still open.
  assert.equal(await ended, 0);
  assert.ok(screen.includes(deviceId) && screen.includes(sandbox.roomId), screen);
  assert.match(screen, /If the page asks for a code, enter: /);
});
