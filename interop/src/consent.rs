//! The person at the consent page, who only needs its form.

use anyhow::{Context as _, Result, ensure};
use matrix_sdk::reqwest::{Client, Url};

pub(crate) async fn decide(link: &str, action: &str) -> Result<()> {
    let client = Client::new();
    let page = client
        .get(link)
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let hidden = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let field = |name| hidden(name).with_context(|| format!("the consent page has no {name}"));
    let form = format!(
        "code={}&csrf={}&action={action}",
        field("code")?,
        field("csrf")?
    );
    let target: Url = Url::parse(link)?.join("/link")?;
    let request = client
        .post(target)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    let status = request.send().await?.status();
    ensure!(
        status.is_success(),
        "the status of the consent page is {status}"
    );
    Ok(())
}
