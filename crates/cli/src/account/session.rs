//! `session`: who is signed in here, and whether the homeserver still accepts it.

use matrix_qr_device::{Facts, Standing, standing};
use serde_json::{Value, json};

use crate::{
    args,
    exit::Failure,
    online::{directory, policy},
    output::{BOLD, Printer, harmless, paint, row},
};

pub(crate) async fn session(args: &args::SessionArgs) -> Result<(), Failure> {
    let directory = directory(&args.directory)?;
    let facts = Facts::read(&directory).map_err(Failure::not_ready)?;
    let known = if args.offline {
        None
    } else {
        Some(ask(args, &directory).await?)
    };
    let place = directory.display().to_string();
    let state = known.as_ref().map(words);
    let rows = [
        ("device", Some(facts.device_id.as_str())),
        ("homeserver", Some(facts.homeserver.as_str())),
        ("signed in at", Some(facts.issuer.as_str())),
        ("client ID", Some(facts.client_id.as_str())),
        ("stored in", Some(place.as_str())),
        ("still valid", state.as_deref()),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(name, value)| Some(format!("\n{}", row(name, value?))));
    let text = format!(
        "{}{}",
        paint(BOLD, harmless(&facts.user_id)),
        rows.collect::<String>()
    );
    let mut json = json!({
        "user_id": facts.user_id,
        "device_id": facts.device_id,
        "homeserver": facts.homeserver,
        "issuer": facts.issuer,
        "client_id": facts.client_id,
        "directory": directory,
    });
    if let (Some(known), Some(fields)) = (&known, json.as_object_mut()) {
        fields.extend(outcome(known));
    }
    Printer::new(args.json).result(text, json);
    Ok(())
}

async fn ask(args: &args::SessionArgs, directory: &std::path::Path) -> Result<Standing, Failure> {
    let waiting = Printer::new(args.json).waiting("Asking the homeserver.", None);
    let known = standing(directory, policy(args.allow_loopback_http)).await;
    drop(waiting);
    known.map_err(Failure::not_ready)
}

fn words(known: &Standing) -> String {
    match known {
        Standing::SignedIn => "yes, according to the homeserver".to_owned(),
        Standing::Unknown(why) => format!("unknown: {}", why.what),
    }
}

fn outcome(known: &Standing) -> [(String, Value); 2] {
    let (signed_in, why) = match known {
        Standing::SignedIn => (json!(true), Value::Null),
        Standing::Unknown(why) => (Value::Null, json!(why.what)),
    };
    [
        ("signed_in".to_owned(), signed_in),
        ("not_known_because".to_owned(), why),
    ]
}
