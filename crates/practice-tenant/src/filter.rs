//! `$filter`: the forms directory objects understand, and which of them are advanced (`graph.md` 4.2).

use crate::answer::Refusal;

/// A parsed `$filter` over properties of type `P`.
#[derive(Debug, Clone)]
pub(crate) enum Filter<P> {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    /// Any value of the property passes the test.
    Test {
        property: P,
        sub: Option<String>,
        test: Test,
    },
    Count {
        property: P,
        test: Test,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Compare(Comparison, Literal),
    In(Vec<Literal>),
    StartsWith(String),
    EndsWith(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Flag(bool),
    /// Text, ids, dates and numbers alike: all compare as text, ignoring case.
    Text(String),
}

/// A property's value as a filter sees it.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    Null,
    Flag(bool),
    Text(std::borrow::Cow<'a, str>),
    Texts(Vec<std::borrow::Cow<'a, str>>),
}

/// The parsed filter and whether it needs `ConsistencyLevel: eventual` with `$count=true`.
#[derive(Debug)]
pub(crate) struct Parsed<P> {
    pub(crate) filter: Filter<P>,
    pub(crate) advanced: bool,
}

/// How a property name resolves: the property, and whether filtering on it is always advanced.
pub(crate) type Resolve<P> = fn(&str) -> Option<(P, bool)>;

/// Longer filters than this are not something a caller writes.
const MAX_LENGTH: usize = 16_000;
const MAX_DEPTH: usize = 200;

pub(crate) fn parse<P>(text: &str, resolve: Resolve<P>) -> Result<Parsed<P>, Refusal> {
    if text.len() > MAX_LENGTH {
        return Err(Refusal::bad_request("The $filter expression is too long."));
    }
    let tokens = tokenize(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        advanced: false,
        resolve,
    };
    let filter = parser.or()?;
    if parser.at != parser.tokens.len() {
        return Err(parser.syntax());
    }
    Ok(Parsed {
        filter,
        advanced: parser.advanced,
    })
}

impl<P> Filter<P> {
    pub(crate) fn matches<'a>(&self, see: &impl Fn(&P, Option<&str>) -> Seen<'a>) -> bool {
        match self {
            Self::And(a, b) => a.matches(see) && b.matches(see),
            Self::Or(a, b) => a.matches(see) || b.matches(see),
            Self::Not(inner) => !inner.matches(see),
            Self::Test {
                property,
                sub,
                test,
            } => test.passes(&see(property, sub.as_deref())),
            Self::Count { property, test } => {
                let count = match see(property, None) {
                    Seen::Texts(all) => all.len(),
                    Seen::Null => 0,
                    Seen::Flag(_) | Seen::Text(_) => 1,
                };
                test.passes(&Seen::Text(count.to_string().into()))
            }
        }
    }
}

impl Test {
    fn passes(&self, seen: &Seen<'_>) -> bool {
        match seen {
            Seen::Texts(all) => all.iter().any(|one| self.passes_text(one)),
            Seen::Text(text) => self.passes_text(text),
            Seen::Flag(flag) => match self {
                Self::Compare(Comparison::Eq, Literal::Flag(wanted)) => flag == wanted,
                Self::Compare(Comparison::Ne, Literal::Flag(wanted)) => flag != wanted,
                Self::Compare(Comparison::Ne, Literal::Null) => true,
                Self::In(all) => all.contains(&Literal::Flag(*flag)),
                _ => false,
            },
            Seen::Null => match self {
                Self::Compare(Comparison::Eq, Literal::Null) => true,
                Self::Compare(Comparison::Ne, literal) => *literal != Literal::Null,
                Self::In(all) => all.contains(&Literal::Null),
                _ => false,
            },
        }
    }

    fn passes_text(&self, text: &str) -> bool {
        match self {
            Self::Compare(comparison, Literal::Text(wanted)) => {
                comparison.holds(compare_folded(text, wanted))
            }
            Self::Compare(comparison, _) => *comparison == Comparison::Ne,
            Self::In(all) => all.iter().any(
                |one| matches!(one, Literal::Text(wanted) if compare_folded(text, wanted).is_eq()),
            ),
            Self::StartsWith(start) => starts_with_folded(text, start),
            Self::EndsWith(end) => text.to_lowercase().ends_with(&end.to_lowercase()),
        }
    }
}

impl Comparison {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            _ => return None,
        })
    }
}

fn compare_folded(a: &str, b: &str) -> std::cmp::Ordering {
    a.chars()
        .flat_map(char::to_lowercase)
        .cmp(b.chars().flat_map(char::to_lowercase))
}

fn starts_with_folded(text: &str, start: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    start
        .chars()
        .flat_map(char::to_lowercase)
        .all(|wanted| text.next() == Some(wanted))
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Open,
    Close,
    Comma,
    Colon,
}

fn tokenize(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&next) = chars.peek() {
        match next {
            ' ' | '\t' => drop(chars.next()),
            '(' | ')' | ',' | ':' => {
                chars.next();
                tokens.push(match next {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    ',' => Token::Comma,
                    _ => Token::Colon,
                });
            }
            '\'' => {
                chars.next();
                tokens.push(Token::Quoted(quoted(&mut chars)?));
            }
            _ => {
                let mut word = String::new();
                // A colon belongs to a date such as 2026-09-01T08:15:30Z, not to a name.
                while let Some(&c) = chars.peek() {
                    let is_date_colon = c == ':' && word.starts_with(|d: char| d.is_ascii_digit());
                    if " \t(),'".contains(c) || (c == ':' && !is_date_colon) {
                        break;
                    }
                    word.push(c);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, Refusal> {
    let mut out = String::new();
    while let Some(c) = chars.next() {
        if c != '\'' {
            out.push(c);
        } else if chars.peek() == Some(&'\'') {
            out.push('\'');
            chars.next();
        } else {
            return Ok(out);
        }
    }
    Err(Refusal::bad_request(
        "There is an unterminated string literal in $filter.",
    ))
}

struct Parser<P> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    advanced: bool,
    resolve: Resolve<P>,
}

impl<P> Parser<P> {
    fn syntax(&self) -> Refusal {
        Refusal::bad_request(format!(
            "Invalid filter clause: Syntax error at token {}.",
            self.at
        ))
    }

    fn peek_word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn take(&mut self, token: &Token) -> Result<(), Refusal> {
        if self.tokens.get(self.at) != Some(token) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self) -> Result<String, Refusal> {
        let word = self
            .peek_word()
            .map(str::to_owned)
            .ok_or_else(|| self.syntax())?;
        self.at += 1;
        Ok(word)
    }

    fn or(&mut self) -> Result<Filter<P>, Refusal> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Refusal::bad_request("The $filter expression is too deep."));
        }
        let mut left = self.and()?;
        while self.peek_word() == Some("or") {
            self.at += 1;
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter<P>, Refusal> {
        let mut left = self.unary()?;
        while self.peek_word() == Some("and") {
            self.at += 1;
            left = Filter::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Filter<P>, Refusal> {
        if self.peek_word() == Some("not") {
            self.at += 1;
            self.advanced = true;
            self.take_depth()?;
            return Ok(Filter::Not(Box::new(self.unary()?)));
        }
        if self.tokens.get(self.at) == Some(&Token::Open) {
            self.at += 1;
            let inner = self.or()?;
            self.take(&Token::Close)?;
            return Ok(inner);
        }
        self.test()
    }

    fn take_depth(&mut self) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            Err(self.syntax())
        } else {
            Ok(())
        }
    }

    fn test(&mut self) -> Result<Filter<P>, Refusal> {
        let word = self.word()?;
        let is_function = self.tokens.get(self.at) == Some(&Token::Open);
        if is_function
            && matches!(
                word.to_ascii_lowercase().as_str(),
                "startswith" | "endswith" | "contains"
            )
        {
            self.at += 1;
            let (property, sub) = self.property_word()?;
            return self.function(&word, property, sub);
        }
        if let Some(collection) = word.strip_suffix("/any") {
            return self.any(collection);
        }
        if let Some(collection) = word.strip_suffix("/$count") {
            self.advanced = true;
            let property = self.resolve(collection)?;
            let test = self.comparison()?;
            return Ok(Filter::Count { property, test });
        }
        let (name, sub) = word
            .split_once('/')
            .map_or((word.as_str(), None), |(name, sub)| {
                (name, Some(sub.to_owned()))
            });
        let property = self.resolve(name)?;
        let test = self.comparison()?;
        Ok(Filter::Test {
            property,
            sub,
            test,
        })
    }

    fn property_word(&mut self) -> Result<(P, Option<String>), Refusal> {
        let word = self.word()?;
        let (name, sub) = word
            .split_once('/')
            .map_or((word.as_str(), None), |(name, sub)| {
                (name, Some(sub.to_owned()))
            });
        Ok((self.resolve(name)?, sub))
    }

    fn resolve(&mut self, name: &str) -> Result<P, Refusal> {
        let (property, advanced) = (self.resolve)(name).ok_or_else(|| {
            Refusal::bad_request(format!(
                "Invalid filter clause: Could not find a property named '{name}'."
            ))
        })?;
        self.advanced |= advanced;
        Ok(property)
    }

    /// The rest of `startswith(property,'text')` after its property.
    fn function(
        &mut self,
        name: &str,
        property: P,
        sub: Option<String>,
    ) -> Result<Filter<P>, Refusal> {
        self.take(&Token::Comma)?;
        let Some(Token::Quoted(text)) = self.tokens.get(self.at).cloned() else {
            return Err(self.syntax());
        };
        self.at += 1;
        self.take(&Token::Close)?;
        let test = match name.to_ascii_lowercase().as_str() {
            "startswith" => Test::StartsWith(text),
            "endswith" => {
                self.advanced = true;
                Test::EndsWith(text)
            }
            _ => {
                return Err(Refusal::unsupported_query(format!(
                    "Unsupported or invalid query filter clause: function '{name}' is not supported."
                )));
            }
        };
        Ok(Filter::Test {
            property,
            sub,
            test,
        })
    }

    /// `any(x:x eq 'v')`, `any(x:x/skuId eq v)` or `any(x:startswith(x,'v'))` after its collection.
    fn any(&mut self, collection: &str) -> Result<Filter<P>, Refusal> {
        let property = self.resolve(collection)?;
        self.take(&Token::Open)?;
        let variable = self.word()?;
        self.take(&Token::Colon)?;
        let word = self.word()?;
        let filter = if self.tokens.get(self.at) == Some(&Token::Open) {
            self.at += 1;
            let subject = self.word()?;
            let sub = sub_of(&subject, &variable).ok_or_else(|| self.syntax())?;
            self.function(&word, property, sub)?
        } else {
            let sub = sub_of(&word, &variable).ok_or_else(|| self.syntax())?;
            Filter::Test {
                property,
                sub,
                test: self.comparison()?,
            }
        };
        self.take(&Token::Close)?;
        Ok(filter)
    }

    fn comparison(&mut self) -> Result<Test, Refusal> {
        let operator = self.word()?;
        if operator == "in" {
            self.take(&Token::Open)?;
            let mut all = vec![self.literal()?];
            while self.tokens.get(self.at) == Some(&Token::Comma) {
                self.at += 1;
                all.push(self.literal()?);
            }
            self.take(&Token::Close)?;
            return Ok(Test::In(all));
        }
        let comparison = Comparison::parse(&operator).ok_or_else(|| self.syntax())?;
        let literal = self.literal()?;
        self.advanced |= comparison == Comparison::Ne || literal == Literal::Null;
        Ok(Test::Compare(comparison, literal))
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        let literal = match self.tokens.get(self.at) {
            Some(Token::Quoted(text)) => Literal::Text(text.clone()),
            Some(Token::Word(word)) => match word.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Flag(true),
                "false" => Literal::Flag(false),
                other => Literal::Text(other.to_owned()),
            },
            _ => return Err(self.syntax()),
        };
        self.at += 1;
        Ok(literal)
    }
}

/// `x/skuId` of variable `x` is `Some(Some("skuId"))`, `x` itself `Some(None)`.
fn sub_of(word: &str, variable: &str) -> Option<Option<String>> {
    let rest = word.strip_prefix(variable)?;
    if rest.is_empty() {
        Some(None)
    } else {
        rest.strip_prefix('/').map(|sub| Some(sub.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(name: &str) -> Option<(String, bool)> {
        Some((name.to_owned(), false))
    }

    fn holds(text: &str) -> bool {
        let parsed = parse(text, resolve).unwrap();
        parsed
            .filter
            .matches(&|property, sub| match (property.as_str(), sub) {
                ("name", None) => Seen::Text("Ada".into()),
                ("enabled", None) => Seen::Flag(true),
                ("licenses", Some("skuId")) => Seen::Texts(vec!["a".into(), "b".into()]),
                ("mails", None) => Seen::Texts(vec!["smtp:ada@contoso.example".into()]),
                _ => Seen::Null,
            })
    }

    #[test]
    fn the_documented_forms_are_understood() {
        assert!(holds("name eq 'ada'"));
        assert!(holds("startswith(name,'AD') and enabled eq true"));
        assert!(holds("not (name eq 'Bob') or name in ('x','y')"));
        assert!(holds("licenses/any(x:x/skuId eq b)"));
        assert!(holds("mails/any(m:startswith(m,'smtp:ada'))"));
        assert!(holds("mails/$count eq 1"));
        assert!(holds("missing eq null"));
        assert!(!holds("name eq 'Ada' and not enabled eq true"));
    }

    #[test]
    fn what_needs_an_advanced_query_says_so() {
        for text in [
            "name ne 'x'",
            "not(name eq 'x')",
            "endswith(name,'x')",
            "name eq null",
        ] {
            assert!(parse(text, resolve).unwrap().advanced, "{text}");
        }
        assert!(
            !parse("name eq 'x' or startswith(name,'y')", resolve)
                .unwrap()
                .advanced
        );
    }

    #[test]
    fn broken_filters_are_refused() {
        for text in [
            "",
            "name",
            "name eq",
            "name eq 'x",
            "(name eq 'x'",
            "name eq 'x' and",
            "name eq 'x' extra",
            "contains(name,'x')",
        ] {
            assert!(parse(text, resolve).is_err(), "{text}");
        }
    }
}
