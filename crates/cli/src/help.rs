//! The texts of `--help` that teach.

use std::fmt::Write as _;

use matrix_qr_sandbox::Fault;

pub(crate) const ABOUT: &str = "\
Sign in a Matrix device by QR code, from the terminal.

A device that is signed in already vouches for a new one (MSC4108 or MSC4388): one of the two shows a QR code, the other scans it, \
two digits prove that nobody is in between, and you agree once in the browser. The new device is then verified, and can \
read your old messages.";

pub(crate) const START: &str = "\
Where to begin:
  matrix-qr demo --auto                     watch how it works; nothing is needed
  matrix-qr login --homeserver example.org  sign in this device
  matrix-qr link                            sign in another device from this one

`matrix-qr COMMAND --help` has examples. Ctrl-C cancels, and tells the other device; a second one leaves at once.";

pub(crate) const DEMO: &str = "\
Examples:
  matrix-qr demo                       you are the person: type the digits, agree in the browser
  matrix-qr demo --auto                watch
  matrix-qr demo --shown-by existing   the device that is signed in already shows the code
  matrix-qr demo --auto --revision msc4388   what the coming apps will do
  matrix-qr demo --auto --json --all-paths | tail -n 1

The exit code is 0 only if everything is true at the end: the new device is verified, its keys were uploaded once and \
signed, the key backup is connected, and the old messages can be read.";

pub(crate) const SANDBOX: &str = "\
Examples:
  matrix-qr sandbox                            then paste the two commands that it prints
  matrix-qr sandbox --misbehave devices-error  see how the two devices take it

Its rendezvous server speaks both proposals: add --revision msc4388 to the command that shows the code. \
It listens on this machine only, keeps everything in memory, and runs until Ctrl-C.";

pub(crate) const LOGIN: &str = "\
Examples:
  matrix-qr login --homeserver example.org                   show a QR code, in the terminal
  matrix-qr login --user @bot:example.org                    the same, and no other account is taken
  matrix-qr login --homeserver example.org --qr code.png     in a file
  matrix-qr login --homeserver example.org --revision newest the coming kind of code
  matrix-qr login --scan photo.jpg                           the other device shows the code
  matrix-qr login --scan -                                   paste the code as text

The two digits are typed, never given as an argument. In scripts (--json) each question is an event, and one line on \
standard input answers it. Before anything is stored you see whose account it is, and are asked; a script says it beforehand (--user).";

pub(crate) const LINK: &str = "\
Examples:
  matrix-qr link                        show a QR code, in the terminal
  matrix-qr link --scan photo.jpg       the new device shows the code
  matrix-qr link --scan - --no-browser  paste the code as text; open the consent page by hand

Nothing secret leaves this device before the digits are right, you have agreed, and the homeserver shows the new \
device. In scripts (--json) each question is an event, and one line on standard input answers it: `y` agrees, anything \
else refuses.";

pub(crate) const INSPECT: &str = "\
Examples:
  matrix-qr inspect photo.png
  matrix-qr inspect TUFUUklYAgPYhmhqsZ…
  wl-paste | matrix-qr inspect - --json";

pub(crate) const DOCTOR: &str = "\
Examples:
  matrix-qr doctor example.org                         from the server name on
  matrix-qr doctor https://matrix.example.org          only what is behind this URL
  matrix-qr doctor example.org --json | jq 'select(.verdict == \"bad\")'

It sees what a client sees, from where you are: run it outside of the server's own network. It needs no account, signs \
nobody in, registers no client and deletes the rendezvous sessions that it makes.

The exit code is 0 if nothing is bad (there may be warnings), 8 if something is, and 3 after Ctrl-C. With --json the \
last line is the summary, whatever was found.";

pub(crate) const SESSION: &str = "\
Examples:
  matrix-qr session
  matrix-qr session --offline --json | jq -r .user_id

The exit code is 10 when there is no session, or when it has ended. A homeserver that cannot be asked is no failure: it \
is said.";

pub(crate) const TOKEN: &str = "\
Examples:
  matrix-qr token
  matrix-qr token --for 300 --json | jq -r .access_token
  printf 'Authorization: Bearer %s\\n' \"$(matrix-qr token)\" |
    curl --header @- https://matrix.example.org/_matrix/client/v3/account/whoami

Only the token is on standard output. It is refreshed when the homeserver does not take it any more, or when it would \
expire too soon; of several commands at the same time, one refreshes. Never give a token as an argument: everybody on \
the machine can see those. The exit code is 8 when the server's tokens do not live as long as was asked, and 10 when \
the session has ended.";

pub(crate) const RESTORE_KEYS: &str = "\
Examples:
  matrix-qr restore-keys
  matrix-qr restore-keys --export keys.txt    for Element (Settings, \"Import keys\"), matrix-nio and others

The file has the form that Matrix defines for key exports. Without its passphrase nobody can read it.";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  matrix-qr completions bash > ~/.local/share/bash-completion/completions/matrix-qr
  matrix-qr completions zsh > ~/.zfunc/_matrix-qr
  matrix-qr completions fish > ~/.config/fish/completions/matrix-qr.fish";

pub(crate) const LOGOUT: &str = "\
Examples:
  matrix-qr logout
  matrix-qr logout --yes    in scripts
  matrix-qr logout --local  when the server is gone, or the session has ended

It is done when the homeserver is seen to refuse the device. Where that cannot be seen, nothing is removed here, and the \
exit code is 8. It also clears what a `login` left that was interrupted.";

/// What the sandbox can be told to do wrong.
pub(crate) fn faults() -> String {
    let mut text = "Ways to misbehave:".to_owned();
    for known in Fault::all() {
        let _ = write!(text, "\n  {:<22} {}", known.syntax(), known.about);
    }
    text
}
