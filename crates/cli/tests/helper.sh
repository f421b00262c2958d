#!/usr/bin/env bash
# Signs in a new device: helper.sh DIRECTORY HOMESERVER
set -euo pipefail

coproc helper { exec matrix-qr helper ${HELPER_OPTIONS-}; }
exec 3<&"${helper[0]}" 4>&"${helper[1]}"

send() { jq -cn "$@" >&4; }
request() { send --argjson id "$1" --arg method "$2" --argjson params "$3" '{jsonrpc: "2.0", $id, $method, $params}'; }
answer() { send --argjson id "$id" --argjson result "$1" '{jsonrpc: "2.0", $id, $result}'; }
field() { jq -r "$1" <<<"$line"; }
# Others wrote parts of it, and must not steer the terminal.
shown() { field "$1"' | gsub("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]"; "\ufffd")'; }
# What was typed before the question does not answer it.
ask() { while [ -t 0 ] && read -rt 0; do read -r; done; read -rp "$1" "$2"; }

request 1 initialize '{"protocol": 1}'
request 2 login "$(jq -cn --arg directory "$1" --arg homeserver "$2" '{$directory, $homeserver}')"

while read -r line <&3; do
  id=$(field .id)
  case $(field '.method // "answer"') in
    show_code) field .params.drawing; shown .params.code; answer null ;;
    enter_check_code)
      ask 'The digits on the other device: ' digits
      answer "$(jq -cn --arg digits "$digits" '{$digits}')" ;;
    confirm_user)
      ask "Join the account $(shown .params.user_id)? [true/false] " confirmed
      answer "{\"confirmed\": $confirmed}" ;;
    progress) shown '.params | select(.event == "user_code") | "Code for the consent page: \(.user_code)"' ;;
    answer)
      if [ "$id" = 2 ]; then shown '.error.message // "Signed in as \(.result.user_id)."'; exit "$(field '.error.code // 0')"; fi ;;
  esac
done
exit 1
