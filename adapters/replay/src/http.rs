//! `request.http` and `response.http`: a start line, headers, an empty line, and the exact bytes of the body.
//!
//! Lines of the head end in LF; the body goes to the end of the file as it is, in whatever encoding.

use league_contract::{Method, WireRequest, WireResponse};

/// Reads `request.http`.
///
/// # Errors
/// What is wrong with the head.
pub fn parse_request(bytes: &[u8]) -> Result<WireRequest, String> {
    let (start, headers, body) = split(bytes)?;
    let words: Vec<&str> = start.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return Err("the first line must read `METHOD /target HTTP/1.1`".to_owned());
    };
    let method = [Method::Get, Method::Post].into_iter().find(|known| known.as_str() == method);
    let method = method.ok_or("the method must be GET or POST")?;
    Ok(WireRequest { method, target: target.to_owned(), headers, body })
}

/// Reads `response.http`.
///
/// # Errors
/// What is wrong with the head.
pub fn parse_response(bytes: &[u8]) -> Result<WireResponse, String> {
    let (start, headers, body) = split(bytes)?;
    let status = start.strip_prefix("HTTP/1.1 ").and_then(|status| status.parse().ok());
    let status = status.ok_or("the first line must read `HTTP/1.1 STATUS`")?;
    Ok(WireResponse { status, headers, body })
}

/// Writes `request.http`.
#[must_use]
pub fn write_request(request: &WireRequest) -> Vec<u8> {
    let start = format!("{} {} HTTP/1.1", request.method.as_str(), request.target);
    join(&start, &request.headers, &request.body)
}

/// Writes `response.http`.
#[must_use]
pub fn write_response(response: &WireResponse) -> Vec<u8> {
    join(&format!("HTTP/1.1 {}", response.status), &response.headers, &response.body)
}

type Head<'a> = (&'a str, Vec<(String, String)>, Vec<u8>);

fn split(bytes: &[u8]) -> Result<Head<'_>, String> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let end = end.ok_or("there must be an empty line (LF, no CR) after the head")?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "the head must be UTF-8")?;
    let mut lines = head.split('\n');
    let start = lines.next().unwrap_or_default();
    let headers = lines
        .map(|line| {
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("`{line}` must read `Name: value`"))?;
            Ok((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
        })
        .collect::<Result<_, String>>()?;
    Ok((start, headers, bytes[end + 2..].to_vec()))
}

fn join(start: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let head = format!("{start}\n{}\n", lines.collect::<String>());
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_read_back_as_written_with_any_body() {
        let headers = vec![("X-Nonce".to_owned(), "00".to_owned()), ("Empty".to_owned(), String::new())];
        for body in [&b""[..], b"{}", b"\n\nno head\n\n", b"\xb9\xe3\xb6\xab\0\r\n"] {
            let request = WireRequest {
                method: Method::Post,
                target: "/a?b=%20".to_owned(),
                headers: headers.clone(),
                body: body.to_vec(),
            };
            assert_eq!(parse_request(&write_request(&request)), Ok(request));
            let response = WireResponse { status: 503, headers: headers.clone(), body: body.to_vec() };
            assert_eq!(parse_response(&write_response(&response)), Ok(response));
        }
        let bare = WireResponse { status: 200, headers: Vec::new(), body: Vec::new() };
        assert_eq!(parse_response(&write_response(&bare)), Ok(bare));
    }

    #[test]
    fn a_broken_head_is_told() {
        for (bytes, says) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "empty line"),
            (b"PUT / HTTP/1.1\n\n", "GET or POST"),
            (b"GET /\n\n", "METHOD /target HTTP/1.1"),
            (b"GET / HTTP/1.1\nno colon\n\n", "Name: value"),
        ] {
            let error = parse_request(bytes).expect_err("broken");
            assert!(error.contains(says), "{error}");
        }
        assert!(parse_response(b"HTTP/1.1 OK\n\n").is_err());
    }
}
