//! All pointers of a mapping as one tree, so that one walk over a record finds what every rule looks for.

use std::cmp::Ordering;

use super::pointer::Pointer;
use crate::json::{Document, Kind};

/// A value that a rule found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Place of its pointer in the rule's list; a smaller one goes first.
    rank: usize,
    /// The value.
    pub(super) node: u32,
}

/// What each rule found, by the rule's index.
pub(super) type Slots = Vec<Option<Found>>;

/// A tree of names; the first branch is where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paths(Vec<Branch>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Branch {
    /// In the order of [`Child::order`].
    children: Vec<Child>,
    uses: Vec<Use>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Child {
    name: Box<str>,
    /// The name as an index of an array.
    index: Option<usize>,
    branch: usize,
}

impl Child {
    /// By length before letters: most names differ in it, and it is at hand.
    fn order(&self, name: &str) -> Ordering {
        self.name.len().cmp(&name.len()).then_with(|| self.name.as_bytes().cmp(name.as_bytes()))
    }
}

/// A rule that looks for what lies here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    rule: usize,
    rank: usize,
}

impl Default for Paths {
    fn default() -> Self {
        Self(vec![Branch::default()])
    }
}

impl Paths {
    /// Adds one pointer of a rule.
    pub(super) fn insert(&mut self, pointer: &Pointer, rule: usize, rank: usize) {
        let mut at = 0;
        for token in &pointer.tokens {
            at = self.child(at, token);
        }
        if let Some(branch) = self.0.get_mut(at) {
            branch.uses.push(Use { rule, rank });
        }
    }

    fn child(&mut self, at: usize, name: &str) -> usize {
        let new = self.0.len();
        let Some(branch) = self.0.get_mut(at) else { return at };
        let place = match branch.children.binary_search_by(|child| child.order(name)) {
            Ok(place) => return branch.children.get(place).map_or(at, |child| child.branch),
            Err(place) => place,
        };
        let index = index(name);
        branch.children.insert(place, Child { name: name.into(), index, branch: new });
        self.0.push(Branch::default());
        new
    }

    /// Whether no pointer is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// Notes for every rule the first of its pointers that leads to a value; null and containers are none. Of two
    /// members with one name the later one counts.
    pub(super) fn seek(&self, document: Document<'_>, from: u32, slots: &mut Slots) {
        if let Some(first) = self.0.first() {
            self.walk(first, document, from, slots);
        }
    }

    /// Goes no deeper than the longest pointer.
    fn walk(&self, branch: &Branch, document: Document<'_>, node: u32, slots: &mut Slots) {
        match document.kind(node) {
            Some(Kind::True | Kind::False | Kind::Number | Kind::Text) => {
                for &Use { rule, rank } in &branch.uses {
                    if let Some(slot) = slots.get_mut(rule)
                        && slot.is_none_or(|before| rank <= before.rank)
                    {
                        *slot = Some(Found { rank, node });
                    }
                }
            }
            Some(Kind::Object) if !branch.children.is_empty() => {
                for (name, member) in document.members(node) {
                    let place = branch.children.binary_search_by(|child| child.order(&name));
                    let child = place.ok().and_then(|place| branch.children.get(place));
                    self.descend(child, document, member, slots);
                }
            }
            Some(Kind::Array) if branch.children.iter().any(|child| child.index.is_some()) => {
                for (place, element) in document.elements(node).enumerate() {
                    let child = branch.children.iter().find(|child| child.index == Some(place));
                    self.descend(child, document, element, slots);
                }
            }
            _ => {}
        }
    }

    fn descend(&self, child: Option<&Child>, document: Document<'_>, node: u32, slots: &mut Slots) {
        if let Some(branch) = child.and_then(|child| self.0.get(child.branch)) {
            self.walk(branch, document, node, slots);
        }
    }
}

/// A name as an index of an array, which has no leading zeros.
fn index(name: &str) -> Option<usize> {
    let is_index = name == "0" || !name.starts_with(['0', '+']);
    is_index.then(|| name.parse().ok()).flatten()
}

/// The value that a pointer leads to.
pub(super) fn find(document: Document<'_>, pointer: &Pointer) -> Option<u32> {
    let mut node = Document::ROOT;
    for token in &pointer.tokens {
        node = match document.kind(node)? {
            Kind::Object => document.members(node).filter(|(name, _)| *name == **token).last()?.1,
            Kind::Array => document.elements(node).nth(index(token)?)?,
            _ => return None,
        };
    }
    document.kind(node).map(|_| node)
}
