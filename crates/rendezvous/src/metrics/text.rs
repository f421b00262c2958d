//! Prometheus' older text format, for scrapers that ask for it.

/// The media type of what [`from_open_metrics`] makes.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same metrics. In this format a counter has the name of its sample, with `_total`; there are
/// no units and there is no end marker.
pub(crate) fn from_open_metrics(text: &str) -> String {
    let mut converted = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        match line
            .strip_prefix("# ")
            .and_then(|comment| comment.split_once(' '))
        {
            Some(("HELP", of)) => help = of.split_once(' '),
            Some(("TYPE", of)) => describe(&mut converted, of, help.take()),
            Some(_) => {}
            None if line.starts_with('#') => {}
            None => converted.extend([line, "\n"]),
        }
    }
    converted
}

fn describe(converted: &mut String, of: &str, help: Option<(&str, &str)>) {
    let (name, kind) = of.split_once(' ').unwrap_or((of, "untyped"));
    let (suffix, kind) = match kind {
        "counter" => ("_total", kind),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        _ => ("", kind),
    };
    if let Some((_, help)) = help {
        converted.extend(["# HELP ", name, suffix, " ", help, "\n"]);
    }
    converted.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_the_names_of_their_samples() {
        let open = "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{b=\"c\"} 1\n\
                    # HELP d D.\n# TYPE d gauge\nd 2\n# HELP e Made.\n# TYPE e info\ne_info{v=\"1\"} 1\n# EOF\n";
        let text = "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\na_bytes_total{b=\"c\"} 1\n\
                    # HELP d D.\n# TYPE d gauge\nd 2\n# HELP e_info Made.\n# TYPE e_info gauge\ne_info{v=\"1\"} 1\n";
        assert_eq!(from_open_metrics(open), text);
    }
}
