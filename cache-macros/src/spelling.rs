//! The word that was probably meant.

use strsim::osa_distance;

/// The candidate nearest to `word`, when it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let slips = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(word, candidate), candidate))
        .filter(|(steps, candidate)| *steps <= slips && *steps < candidate.chars().count())
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let options = ["namespace", "ttl", "key", "skip"];
        assert_eq!(nearest("namspace", options), Some("namespace"));
        assert_eq!(nearest("tttl", options), Some("ttl"));
        assert_eq!(nearest("colour", options), None);
        assert_eq!(nearest("a", ["b"]), None);
    }
}
