//! The texts of `--help`: examples, and what the options do not say.

use std::fmt::Write as _;

use matrix_qr_sandbox::Fault;

pub(crate) const ABOUT: &str = "\
Sign in a Matrix device by QR code, from the terminal.

A device that is already signed in helps a new one to sign in (MSC4108 or MSC4388). One of the \
two shows a QR code, and the other scans it. Two digits prove that nobody intercepts the \
connection, and you agree \
once in the browser. Afterwards the new device is verified and can read your old messages.";

pub(crate) const START: &str = "\
Getting started:
  matrix-qr demo --auto                     watch how it works; nothing else is needed
  matrix-qr login --homeserver example.org  sign in this device
  matrix-qr link                            sign in another device from this one

`matrix-qr COMMAND --help` shows examples. Ctrl-C cancels and informs the other device; a second \
Ctrl-C stops at once.";

pub(crate) const DEMO: &str = "\
Examples:
  matrix-qr demo                            you type the digits and agree on a page
  matrix-qr demo --auto                     only watch
  matrix-qr demo --shown-by existing        the device that is already signed in shows the code
  matrix-qr demo --auto --revision msc4388  follow the successor, which apps do not support yet
  matrix-qr demo --auto --json --all-paths | tail -n 1

The exit code is 0 only if all of this is true at the end: the new device is verified, its keys \
were uploaded once and signed, the key backup is connected, and the old messages can be read.";

pub(crate) const SANDBOX: &str = "\
Examples:
  matrix-qr sandbox                            then paste the two commands that it prints
  matrix-qr sandbox --misbehave devices-error  see how the two devices react

Its rendezvous server supports both proposals: add --revision msc4388 to the command that shows \
the code. The sandbox listens on this machine only, keeps everything in memory, and runs until \
Ctrl-C.";

pub(crate) const LOGIN: &str = "\
Examples:
  matrix-qr login --homeserver example.org                    show a QR code, in the terminal
  matrix-qr login --user @bot:example.org                     the same, but accept no other account
  matrix-qr login --homeserver example.org --qr code.png      show the QR code in a file
  matrix-qr login --homeserver example.org --revision newest  show an MSC4388 code if possible
  matrix-qr login --scan photo.jpg                            the other device shows the code
  matrix-qr login --scan -                                    paste the code as text
  matrix-qr login --homeserver example.org --passphrase       encrypt the keys of this device

You type the two digits; they are never given as an argument. In scripts (--json), each question \
is an event, and one line on standard input answers it. Before anything is stored, you see the \
account and are asked to confirm it; a script names it in advance (--user).

A passphrase protects the keys of this device on its disk: without it nobody can sign in another \
device here, or read old messages. It does not protect the tokens. It cannot be changed; sign out \
and in again instead.";

pub(crate) const LINK: &str = "\
Examples:
  matrix-qr link                        show a QR code, in the terminal
  matrix-qr link --scan photo.jpg       the new device shows the code
  matrix-qr link --scan - --no-browser  paste the code as text; open the consent page by hand

First you are told what a code from somebody else would do, and asked whether the new device is \
yours; a script answers that, too, or says it in advance (--confirm-own-device). If this device was \
signed in with a passphrase, you are asked for it, or name a file with it (--passphrase-file). This \
device sends nothing secret until the digits are right, you have agreed, and the homeserver \
lists the new device. In scripts (--json), each question is an event, and one line on standard \
input answers it: `y` agrees, anything else refuses.";

pub(crate) const INSPECT: &str = "\
Examples:
  matrix-qr inspect photo.png
  matrix-qr inspect TUFUUklYAgPYhmhqsZ…
  wl-paste | matrix-qr inspect - --json";

pub(crate) const DOCTOR: &str = "\
Examples:
  matrix-qr doctor example.org                 everything, starting with the server name
  matrix-qr doctor https://matrix.example.org  only what this URL serves
  matrix-qr doctor example.org --json | jq 'select(.verdict == \"bad\")'

It sees what a client on this machine sees, so run it outside the server's own network. It needs \
no account, signs nobody in, registers no client, and deletes the rendezvous sessions that it \
creates.

The exit code is 0 if nothing is bad (there may be warnings), and 8 if something is. With --json, \
the last line is always the summary.";

pub(crate) const SESSION: &str = "\
Examples:
  matrix-qr session
  matrix-qr session --offline --json | jq -r .user_id

The exit code is 10 if there is no session or it has ended. If the homeserver cannot be reached, \
the output says so, and the exit code is 0.";

pub(crate) const TOKEN: &str = "\
Examples:
  matrix-qr token
  matrix-qr token --for 300 --json | jq -r .access_token
  printf 'Authorization: Bearer %s\\n' \"$(matrix-qr token)\" |
    curl --header @- https://matrix.example.org/_matrix/client/v3/account/whoami

Standard output contains only the token. The token is refreshed if the homeserver no longer \
accepts it or if it would expire too soon; if several commands run at the same time, one of them \
refreshes it. Never give a token as an argument: everybody on the machine can see arguments. The \
exit code is 8 if the server's tokens are not valid for as long as requested, and 10 if the \
session has ended.";

pub(crate) const RESTORE_KEYS: &str = "\
Examples:
  matrix-qr restore-keys
  matrix-qr restore-keys --export keys.txt  for Element (Settings, \"Import keys\"), matrix-nio, …

The file has the key export format of the Matrix specification. Nobody can read it without its \
passphrase (--export-passphrase-file), which has nothing to do with the one of this device \
(--passphrase-file).";

pub(crate) const HELPER: &str = "\
A program starts this command and talks to it: one JSON object per line, requests in both \
directions. It is for programs that hold the keys of their device themselves, in any language. \
docs/helper.md describes every request.

A conversation begins like this (> from the program, < from this command):
  > {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocol\":1}}
  > {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"login\",\"params\":{\"directory\":\"bot\",\
\"user\":\"@bot:example.org\"}}
  < {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show_code\",\"params\":{\"code\":\"TUFU…\",…}}

When standard input ends, a sign-in that is running is cancelled, and the exit code is 3. The exit \
codes are also the codes of the errors in the conversation.";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  matrix-qr completions bash > ~/.local/share/bash-completion/completions/matrix-qr
  matrix-qr completions zsh > ~/.zfunc/_matrix-qr
  matrix-qr completions fish > ~/.config/fish/completions/matrix-qr.fish";

pub(crate) const LOGOUT: &str = "\
Examples:
  matrix-qr logout
  matrix-qr logout --yes    in scripts
  matrix-qr logout --local  if the server no longer exists, or the session has ended

The sign-out is complete when the homeserver refuses the device. If this cannot be confirmed, \
nothing is removed here, and the exit code is 8. The command also removes what an interrupted \
`login` has left.";

/// The ways in which the sandbox can misbehave.
pub(crate) fn faults() -> String {
    let mut text = "Ways to misbehave:".to_owned();
    for known in Fault::all() {
        let _ = write!(text, "\n  {:<22} {}", known.syntax(), known.about);
    }
    text
}
