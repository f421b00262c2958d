// Draws what the program says, and sends it what the person answers. Everything that the other side
// has named is set as text.
"use strict";

const FRAME_PAUSE = 300; // milliseconds between frames of the camera
const FRAME_SIDE = 1280; // pixels of a frame's longer side
const TITLES = { new: "This device is being signed in", existing: "This device signs in another one" };

const connection = document.getElementById("connection");
const devices = document.getElementById("devices");
const time = document.getElementById("time");
const cancel = document.getElementById("cancel");
let page = ""; // what makes this page the one that may answer
let ends = null; // when the time is up, by this machine's clock
let over = false;

function tell(text) {
  if (connection.textContent !== text) connection.textContent = text;
  connection.hidden = !text;
}

function send(path, body, type) {
  const headers = { "x-page": page };
  if (type) headers["content-type"] = type;
  return fetch(path, { method: "POST", headers, body });
}

// Sends it, and says if it cannot be taken from this page. Returns the status; none without an answer.
async function post(path, body, type) {
  const response = await send(path, body, type).catch(() => null);
  if (response?.status === 409) tell("Another page is open; answer there.");
  return response;
}

// Why the program has not taken it; empty if it has, or if that is said elsewhere.
function refusal(status, tooLarge) {
  switch (status) {
    case 204: case 409: case 410: return "";
    case 408: return "It did not arrive in time. Try again.";
    case 413: return tooLarge;
    case 422: return "This picture cannot be read. Use another one, or the code as text.";
    case undefined: return "The program does not answer. Try again.";
    default: return "The program cannot take this now. Try again.";
  }
}

async function answer(form, question, text) {
  const body = JSON.stringify({ question, answer: text });
  const response = await post("answer", body, "application/json");
  const why = refusal(response?.status, "This text is too long.");
  const wrong = form.querySelector(".wrong");
  if (wrong) wrong.textContent = why;
  else if (why || response.status === 204) tell(why);
}

function listen() {
  const events = new EventSource("events");
  let busy = false; // the program ends this stream then, and is asked again
  events.addEventListener("page", (event) => {
    page = event.data;
    tell("");
  });
  events.addEventListener("ping", () => send("here").catch(() => null));
  events.addEventListener("busy", () => {
    busy = true;
    tell("This sign-in is open on another page. Close that one, and this one takes over.");
  });
  events.addEventListener("view", (event) => {
    const view = JSON.parse(event.data);
    draw(view);
    if (view.devices.every((device) => device.outcome)) {
      over = true;
      events.close();
    }
  });
  events.addEventListener("error", () => {
    if (!over && !busy) tell("The program does not answer. This page keeps trying.");
    busy = false;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  });
}

function draw(view) {
  document.querySelector("main").classList.toggle("two", view.devices.length > 1);
  while (devices.children.length < view.devices.length) {
    devices.append(copy("device", devices.children.length));
  }
  view.devices.forEach((device, n) => drawDevice(devices.children[n], device, n));
  ends = view.seconds_left === null ? null : Date.now() + view.seconds_left * 1000;
  cancel.hidden = view.devices.every((device) => device.outcome);
  if (cancel.hidden) ends = null;
  tick();
}

function drawDevice(section, device, n) {
  const find = (selector) => section.querySelector(selector);
  find("h2").textContent = TITLES[device.role];
  const lines = find(".lines");
  for (const line of device.lines.slice(lines.children.length)) {
    const item = document.createElement("li");
    item.className = line.kind;
    item.textContent = line.text;
    lines.append(item);
  }
  show(find(".code"), device.code, (part) => {
    part.querySelector(".invitation").textContent = device.code.invitation;
    part.querySelector("textarea").value = device.code.text;
    part.querySelector("img").src = `code/${n}.svg`;
  });
  show(find(".digits"), device.digits, (part) => {
    part.querySelector(".large").textContent = device.digits;
  });
  show(find(".user-code"), device.user_code, (part) => {
    part.querySelector(".host").textContent = device.user_code.host;
    part.querySelector(".large").textContent = device.user_code.code;
    part.querySelector(".host-note").textContent = device.user_code.host_note ?? "";
    part.querySelector(".warning").textContent = device.user_code.warning ?? "";
  });
  show(find(".consent"), device.consent, (part) => {
    part.querySelector(".host").textContent = device.consent.host;
    part.querySelector("a").textContent = part.querySelector("a").href = device.consent.link;
  });
  ask(find(".question"), device.question, n);
  const waiting = find(".waiting");
  const text = device.question ? "" : device.waiting ?? "";
  if (waiting.textContent !== text) waiting.textContent = text;
  end(find(".outcome"), device.outcome);
}

// A template's only element. Each device has its own: its identifiers are numbered.
function copy(template, n) {
  const element = document.getElementById(template).content.cloneNode(true).firstElementChild;
  for (const name of ["id", "for", "aria-describedby", "aria-labelledby"]) {
    for (const part of [element, ...element.querySelectorAll(`[${name}]`)]) {
      const value = part.getAttribute(name);
      if (value) part.setAttribute(name, value.replaceAll("-N", `-${n}`));
    }
  }
  return element;
}

// Fills a part when it appears, and hides it when it is not needed any more.
function show(part, value, fill) {
  const key = JSON.stringify(value);
  if (value && part.dataset.key !== key) fill(part);
  part.dataset.key = key;
  part.hidden = !value;
}

function ask(part, question, n) {
  const id = question ? String(question.id) : "";
  if (part.dataset.id === id) return;
  part.dataset.id = id;
  part.hidden = !question;
  part.stopCamera?.();
  const answering = document.activeElement?.closest(".question");
  if (!question) return part.replaceChildren();
  const form = copy(question.kind, n);
  const set = (selector, text) => {
    const element = form.querySelector(selector);
    if (element) element.textContent = text ?? "";
  };
  set(".wrong", question.wrong);
  set(".host", question.host);
  set(".host-note", question.host_note);
  set(".link", question.link);
  set(".user-id", question.user_id);
  set(".warning", question.warning);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter?.value;
    if (question.kind === "open_link" && button === "yes") {
      window.open(question.link, "_blank", "noopener,noreferrer");
    }
    answer(form, question.id, button || new FormData(form).get("answer") || "");
  });
  part.replaceChildren(form);
  if (question.kind === "code") part.stopCamera = scan(form, question.id);
  // Who answers the other device's question goes on with it.
  if (answering && answering !== part) return;
  // Never a button: a key that is pressed too early must not agree to anything.
  (form.querySelector("input:not([type=file])") ?? form).focus();
}

// The camera, a picture that is chosen, dropped or pasted. Returns what turns the camera off.
function scan(form, id) {
  const wrong = form.querySelector(".wrong");
  const video = form.querySelector("video");
  const button = form.querySelector(".use-camera");
  let stream = null;
  let done = false;

  // Whether the question is still open.
  async function picture(blob, isFrame) {
    if (!isFrame) wrong.textContent = "";
    const response = await post(`picture?question=${id}`, blob);
    const status = response?.status;
    if (!isFrame) {
      const why = status === 200 ? (await response.json()).why : refusal(status, "This picture is too large.");
      wrong.textContent = why;
    }
    // 409: this page may be about to get its place back.
    return ![204, 410].includes(status);
  }

  async function frames() {
    const canvas = document.createElement("canvas");
    while (!done && stream) {
      const scale = Math.min(1, FRAME_SIDE / Math.max(video.videoWidth, video.videoHeight, 1));
      canvas.width = video.videoWidth * scale;
      canvas.height = video.videoHeight * scale;
      if (canvas.width && canvas.height) {
        canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
        const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
        if (blob && !(await picture(blob, true))) return;
      }
      await new Promise((resolve) => setTimeout(resolve, FRAME_PAUSE));
    }
  }

  const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia);
  form.querySelector(".camera").hidden = !hasCamera;
  button.addEventListener("click", async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: FRAME_SIDE } } });
      if (done) return stop();
      video.srcObject = stream;
      filming(true);
      await video.play();
    } catch {
      filming(false);
      turnOff();
      wrong.textContent = "The camera cannot be used. Choose a picture, or use the code as text.";
      return;
    }
    frames();
  });

  function filming(is) {
    video.hidden = !is;
    button.hidden = is;
  }

  // Text goes where text belongs.
  function chosen(event, files) {
    form.classList.remove("drop");
    if (!files?.length) return;
    event.preventDefault();
    picture(files[0], false);
  }
  form.querySelector("[type=file]").addEventListener("change", (event) => {
    chosen(event, event.target.files);
    event.target.value = ""; // the same one may be chosen again
  });
  const listening = new AbortController();
  const anywhere = (name, heard) => document.addEventListener(name, heard, { signal: listening.signal });
  anywhere("paste", (event) => chosen(event, event.clipboardData?.files));
  anywhere("drop", (event) => chosen(event, event.dataTransfer?.files));
  anywhere("dragover", (event) => {
    event.preventDefault();
    form.classList.add("drop");
  });
  anywhere("dragleave", () => form.classList.remove("drop"));

  function turnOff() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
  }

  function stop() {
    done = true;
    listening.abort();
    turnOff();
  }
  return stop;
}

function end(part, outcome) {
  if (!outcome || part.hasChildNodes()) return;
  part.classList.toggle("success", outcome.success);
  const cause = outcome.cause && `Cause: ${outcome.cause}.`;
  for (const [name, text] of Object.entries({ what: outcome.what, cause, advice: outcome.advice })) {
    if (text === null) continue;
    const line = document.createElement("p");
    line.className = name;
    line.textContent = text;
    part.append(line);
  }
}

function tick() {
  if (ends === null) {
    time.textContent = "";
    return;
  }
  const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
  const minutes = Math.floor(left / 60);
  const seconds = String(left % 60).padStart(2, "0");
  time.textContent = `Time left: ${minutes}:${seconds}`;
}

cancel.addEventListener("click", async () => {
  cancel.disabled = true;
  const response = await post("cancel");
  cancel.disabled = response?.status === 204;
});
setInterval(tick, 1000);
listen();
