//! XML as text with places in it, so that a definition can be changed here and there while every
//! other byte stays as it was.

use std::ops::Range;

use quick_xml::escape::{escape, unescape};
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// An element, and where its text is.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// Its name.
    pub name: String,
    /// All of it, tags included.
    pub range: Range<usize>,
    /// What is between its tags; empty where it has one tag only.
    pub inner: Range<usize>,
    /// The elements in it, in their order.
    pub children: Vec<Self>,
    attributes: Vec<AttributeText>,
}

/// An attribute, and where its value is, without the quotes.
#[derive(Debug)]
struct AttributeText {
    name: String,
    value: String,
    range: Range<usize>,
}

impl Element {
    /// The root element of `xml`; `None` where it is not well-formed.
    pub(crate) fn parse(xml: &str) -> Option<Self> {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Self::default()];
        loop {
            let start = position(&reader)?;
            let event = reader.read_event().ok()?;
            let end = position(&reader)?;
            match event {
                Event::Start(tag) => open.push(Self::started(xml, &tag, start, end)?),
                Event::Empty(tag) => {
                    let element = Self::started(xml, &tag, start, end)?.ended(end, end);
                    open.last_mut()?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop()?.ended(start, end);
                    open.last_mut()?.children.push(element);
                }
                Event::Eof if open.len() == 1 => return open.pop()?.children.pop(),
                Event::Eof => return None,
                _ => {}
            }
        }
    }

    fn started(xml: &str, tag: &BytesStart<'_>, start: usize, end: usize) -> Option<Self> {
        let attribute = |attribute: Attribute<'_>| {
            Some(AttributeText {
                name: attribute.key.as_ref().to_owned(),
                value: attribute.normalized_value(XmlVersion::default()).ok()?.into_owned(),
                range: range_of(&attribute.value, xml)?,
            })
        };
        let attributes = tag.attributes().map(|found| attribute(found.ok()?));
        Some(Self {
            name: tag.name().as_ref().to_owned(),
            range: start..end,
            inner: end..end,
            children: Vec::new(),
            attributes: attributes.collect::<Option<_>>()?,
        })
    }

    fn ended(mut self, start: usize, end: usize) -> Self {
        self.inner.end = start;
        self.range.end = end;
        self
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.name == name).map(|a| a.value.as_str())
    }

    /// Where the value of an attribute is, without the quotes.
    pub(crate) fn attribute_range(&self, name: &str) -> Option<Range<usize>> {
        self.attributes.iter().find(|a| a.name == name).map(|a| a.range.clone())
    }

    /// The text between the tags of an element that holds nothing else, `xml` being what it was
    /// read from.
    pub(crate) fn text(&self, xml: &str) -> Option<String> {
        let text = xml.get(self.inner.clone()).filter(|_| self.children.is_empty())?;
        Some(unescape(text.trim()).ok()?.into_owned())
    }
}

/// What is to stand in the place of what; places must not overlap.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts `text`, which is XML, in the place of `range`.
    pub(crate) fn put(&mut self, range: &Range<usize>, text: impl Into<String>) {
        self.0.push((range.clone(), text.into()));
    }

    /// Puts `value`, which is no XML, in the place of `range`.
    pub(crate) fn put_value(&mut self, range: &Range<usize>, value: &str) {
        self.put(range, escape(value));
    }

    /// Takes an element out.
    pub(crate) fn take_out(&mut self, element: &Element) {
        self.put(&element.range, "");
    }

    /// The changed text; `None` where two changes are in each other's way.
    pub(crate) fn apply(mut self, xml: &str) -> Option<String> {
        self.0.sort_by_key(|(range, _)| range.start);
        let (mut changed, mut end) = (String::with_capacity(xml.len()), 0);
        for (range, text) in self.0 {
            changed.push_str(xml.get(end..range.start)?);
            changed.push_str(&text);
            end = range.end;
        }
        changed.push_str(xml.get(end..)?);
        Some(changed)
    }
}

fn position(reader: &Reader<&[u8]>) -> Option<usize> {
    usize::try_from(reader.buffer_position()).ok()
}

/// Where `part`, which is borrowed from `whole`, stands in it.
fn range_of(part: &str, whole: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let range = start..start.checked_add(part.len())?;
    (whole.get(range.clone())? == part).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<a>\n  <b x='1 &amp; 2' y=\"3\">t &lt; u</b><c/>\n</a>\n";

    #[test]
    fn places_are_where_the_text_is() {
        let a = Element::parse(XML).unwrap();
        let b = a.child("b").unwrap();
        assert_eq!(&XML[b.range.clone()], "<b x='1 &amp; 2' y=\"3\">t &lt; u</b>");
        assert_eq!(&XML[b.inner.clone()], "t &lt; u");
        assert_eq!(&XML[b.attribute_range("x").unwrap()], "1 &amp; 2");
        assert_eq!((b.attribute("x"), b.attribute("y")), (Some("1 & 2"), Some("3")));
        assert_eq!(b.text(XML).unwrap(), "t < u");
        assert_eq!(&XML[a.child("c").unwrap().range.clone()], "<c/>");
        assert!(a.child("c").unwrap().inner.is_empty());
    }

    #[test]
    fn only_what_was_asked_for_changes() {
        let a = Element::parse(XML).unwrap();
        let mut edits = Edits::default();
        edits.take_out(a.child("c").unwrap());
        edits.put_value(&a.child("b").unwrap().attribute_range("x").unwrap(), "it's <9>");
        let changed = edits.apply(XML).unwrap();
        assert_eq!(changed, "<a>\n  <b x='it&apos;s &lt;9&gt;' y=\"3\">t &lt; u</b>\n</a>\n");
        assert_eq!(Element::parse(&changed).unwrap().children[0].attribute("x"), Some("it's <9>"));
    }

    #[test]
    fn changes_in_each_others_way_are_none() {
        let a = Element::parse(XML).unwrap();
        let mut edits = Edits::default();
        edits.take_out(&a);
        edits.take_out(a.child("b").unwrap());
        assert_eq!(edits.apply(XML), None);
    }

    #[test]
    fn what_is_not_well_formed_is_no_element() {
        for xml in ["", "<a>", "<a></b>", "<a><b></a>", "<a x=1/>", "text", "<a x='&nope;'/>"] {
            assert!(Element::parse(xml).is_none(), "{xml}");
        }
    }
}
