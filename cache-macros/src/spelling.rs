//! The word that was probably meant.

/// The candidate nearest to `word`, when it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let slips = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(steps, candidate)| *steps <= slips && *steps < candidate.chars().count())
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// Insertions, removals, replacements and swaps of neighbours between two words.
///
/// Optimal string alignment: <https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance>.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=right.len()).collect();
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_steps_between_words() {
        assert_eq!(distance("ttl", "ttl"), 0);
        assert_eq!(distance("tlt", "ttl"), 1);
        assert_eq!(distance("namespce", "namespace"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn finds_slips_and_nothing_else() {
        let options = ["namespace", "ttl", "key", "skip"];
        assert_eq!(nearest("namspace", options), Some("namespace"));
        assert_eq!(nearest("tttl", options), Some("ttl"));
        assert_eq!(nearest("colour", options), None);
        assert_eq!(nearest("a", ["b"]), None);
    }
}
