#!/usr/bin/env bash
# Signs in a new device: helper.sh DIRECTORY HOMESERVER
set -euo pipefail

coproc helper { exec matrix-qr helper ${HELPER_OPTIONS-}; }
exec 3<&"${helper[0]}" 4>&"${helper[1]}"

send() { jq -cn "$@" >&4; }
request() { send --argjson id "$1" --arg method "$2" --argjson params "$3" '{jsonrpc: "2.0", $id, $method, $params}'; }
answer() { send --argjson id "$id" --argjson result "$1" '{jsonrpc: "2.0", $id, $result}'; }
field() { jq -r "$1" <<<"$line"; }

request 1 initialize '{"protocol": 1}'
request 2 login "$(jq -cn --arg directory "$1" --arg homeserver "$2" '{$directory, $homeserver}')"

while read -r line <&3; do
  id=$(field .id)
  case $(field '.method // "answer"') in
    show_code) field '.params.drawing, .params.code'; answer null ;;
    enter_check_code)
      read -rp 'The digits on the other device: ' digits
      answer "$(jq -cn --arg digits "$digits" '{$digits}')" ;;
    confirm_user)
      read -rp "Join the account $(field .params.user_id)? [true/false] " confirmed
      answer "{\"confirmed\": $confirmed}" ;;
    progress) field '.params | select(.event == "user_code") | "Code for the consent page: \(.user_code)"' ;;
    answer)
      if [ "$id" = 2 ]; then field '.error.message // "Signed in as \(.result.user_id)."'; exit "$(field '.error.code // 0')"; fi ;;
  esac
done
exit 1
