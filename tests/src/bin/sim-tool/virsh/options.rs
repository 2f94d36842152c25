//! virsh's command line: `[--connect URI] SUBCOMMAND [--FLAG | --OPTION VALUE | --OPTION=VALUE]...`.

/// What stands on a command line.
pub struct Options<'a> {
    words: &'a [String],
}

impl<'a> Options<'a> {
    pub fn of(words: &'a [String]) -> Self {
        Self { words }
    }

    /// The subcommand, and what follows it.
    pub fn subcommand(&self) -> Option<(&'a str, Self)> {
        let words = match self.words {
            [connect, _, rest @ ..] if connect == "--connect" => rest,
            words => words,
        };
        let (subcommand, words) = words.split_first()?;
        Some((subcommand, Self { words }))
    }

    /// Whether the flag, or option, is given.
    pub fn has(&self, flag: &str) -> bool {
        self.words.iter().any(|word| word.split('=').next() == Some(flag))
    }

    /// The value of an option.
    pub fn value(&self, option: &str) -> Option<&'a String> {
        self.values(option).next()
    }

    /// The values of an option that may be given several times.
    pub fn values(&self, option: &str) -> impl Iterator<Item = &'a String> {
        let given = self.words.iter().zip(self.words.iter().skip(1));
        given.filter(move |(word, _)| *word == option).map(|(_, value)| value)
    }

    /// The last word, where it is no option.
    pub fn positional(&self) -> Option<&'a String> {
        self.words.last().filter(|word| !word.starts_with("--"))
    }
}
