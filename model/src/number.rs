//! Random numbers and moments, renumbered so that states which differ in nothing else are one.

/// A random number in Redis, or a count that only ever moves on: a generation, a fence, a run id. Only equality matters. The
/// default stands for "absent".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(crate) u8);

impl Token {
    pub(crate) const ABSENT: Self = Self(0);
}

/// A point in time, counted in events that promise something. A value is known by the moment at which its load read the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub(crate) u8);

/// Shown every number of a state, always in the same order.
pub(crate) trait Visitor {
    fn token(&mut self, token: &mut Token);
    /// What an answer has to reach, now or later.
    fn need(&mut self, need: &mut Moment);
    /// What an answer is, and what is compared with needs only.
    fn value(&mut self, value: &mut Moment);
}

/// Something that holds numbers.
pub(crate) trait Numbered {
    fn show(&mut self, visitor: &mut impl Visitor);
}

impl<T: Numbered> Numbered for Option<T> {
    fn show(&mut self, visitor: &mut impl Visitor) {
        if let Some(numbered) = self {
            numbered.show(visitor);
        }
    }
}

impl<T: Numbered> Numbered for [T] {
    fn show(&mut self, visitor: &mut impl Visitor) {
        for numbered in self {
            numbered.show(visitor);
        }
    }
}

/// Renumbers tokens in order of appearance and needs in order of size; a value becomes the highest need that it satisfies.
///
/// With that any number of writes, calls and faults leads to finitely many states. Returns how many tokens there are.
pub(crate) fn renumber(state: &mut impl Numbered) -> u8 {
    let mut needs = Needs([false; 256]);
    state.show(&mut needs);
    // Moment 0 is the beginning, whether anything needs it or not.
    needs.0[0] = false;
    let mut last = 0;
    let rank = needs.0.map(|needed| {
        last += u8::from(needed);
        last
    });
    let mut names = Names {
        tokens: [0; 256],
        count: 0,
        rank,
    };
    state.show(&mut names);
    names.count
}

struct Needs([bool; 256]);

impl Visitor for Needs {
    fn token(&mut self, _: &mut Token) {}

    fn need(&mut self, need: &mut Moment) {
        self.0[usize::from(need.0)] = true;
    }

    fn value(&mut self, _: &mut Moment) {}
}

struct Names {
    tokens: [u8; 256],
    count: u8,
    rank: [u8; 256],
}

impl Visitor for Names {
    fn token(&mut self, token: &mut Token) {
        if *token == Token::ABSENT {
            return;
        }
        let name = &mut self.tokens[usize::from(token.0)];
        if *name == 0 {
            self.count += 1;
            *name = self.count;
        }
        token.0 = *name;
    }

    fn need(&mut self, need: &mut Moment) {
        need.0 = self.rank[usize::from(need.0)];
    }

    fn value(&mut self, value: &mut Moment) {
        value.0 = self.rank[usize::from(value.0)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two(Token, Token, Moment, Moment);

    impl Numbered for Two {
        fn show(&mut self, visitor: &mut impl Visitor) {
            visitor.token(&mut self.0);
            visitor.token(&mut self.1);
            visitor.need(&mut self.2);
            visitor.value(&mut self.3);
        }
    }

    #[test]
    fn only_equality_of_tokens_and_what_values_satisfy_is_kept() {
        let mut two = Two(Token(9), Token(4), Moment(7), Moment(9));
        assert_eq!(renumber(&mut two), 2);
        assert_eq!((two.0, two.1), (Token(1), Token(2)));
        assert!(two.3 >= two.2);
        let mut old = Two(Token(9), Token(9), Moment(7), Moment(6));
        assert_eq!(renumber(&mut old), 1);
        assert!(old.3 < old.2);
    }
}
