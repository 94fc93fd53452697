//! What a tamperer does about a digest without a key: he computes it anew. `plain-file` has one, over its records.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_vault::GrantId;
use serde_json::Value;

use crate::structure::Altered;

/// These alterations once more, each with the digest that its records ask for; those that have no digest are left out.
pub(crate) fn renewed(all: &[Altered]) -> Vec<Altered> {
    let again = |altered: &Altered| {
        let mut page = serde_json::from_slice(&altered.bytes).ok()?;
        renew(&mut page)?;
        let bytes = page.to_string().into_bytes();
        let did = format!("{} and computed the digest anew", altered.did);
        (bytes != altered.bytes).then_some(Altered { did, bytes })
    };
    all.iter().filter_map(again).collect()
}

/// The page with `evil` in the place of `host` in what its records hold, and how often. The two are of one length.
pub(crate) fn with_another_host(bytes: &[u8], host: &str, evil: &str) -> Option<(Vec<u8>, usize)> {
    let mut page: Value = serde_json::from_slice(bytes).ok()?;
    let mut places = 0;
    for record in page.get_mut("records")?.as_array_mut()? {
        let payload = record.get_mut("payload")?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload.as_str()?).ok()?).ok()?;
        places += text.matches(host).count();
        *payload = URL_SAFE_NO_PAD.encode(text.replace(host, evil)).into();
    }
    renew(&mut page)?;
    (places > 0).then(|| (page.to_string().into_bytes(), places))
}

/// Writes the digest of the page's records into it; none where this is no such page.
fn renew(page: &mut Value) -> Option<()> {
    page.get("digest")?;
    let mut records = page.get("records")?.as_array()?.iter().map(record).collect::<Option<Vec<_>>>()?;
    records.sort();
    let mut bytes = page.get("epoch")?.as_u64()?.to_be_bytes().to_vec();
    bytes.extend(u32::try_from(records.len()).ok()?.to_be_bytes());
    bytes.extend(records.concat());
    let sum = ring::digest::digest(&ring::digest::SHA256, &bytes);
    page["digest"] = URL_SAFE_NO_PAD.encode(sum).into();
    Some(())
}

/// A record as it goes into the digest: id, generation, attempt, length, payload. The id comes first, and so orders them.
fn record(line: &Value) -> Option<Vec<u8>> {
    let id: GrantId = line.get("grant")?.as_str()?.parse().ok()?;
    let payload = URL_SAFE_NO_PAD.decode(line.get("payload")?.as_str()?).ok()?;
    let mut bytes = id.as_bytes().to_vec();
    bytes.extend(line.get("generation")?.as_u64()?.to_be_bytes());
    match line.get("attempt") {
        None => bytes.push(0),
        Some(attempt) => {
            bytes.push(1);
            bytes.extend(URL_SAFE_NO_PAD.decode(attempt.get("idempotency_key")?.as_str()?).ok()?);
            bytes.extend(attempt.get("started_at_ms")?.as_i64()?.to_be_bytes());
        }
    }
    bytes.extend(u32::try_from(payload.len()).ok()?.to_be_bytes());
    bytes.extend(payload);
    Some(bytes)
}
