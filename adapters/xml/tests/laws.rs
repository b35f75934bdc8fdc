//! What is read, what is refused, and that nothing panics.

use league_xml::{Element, Encoding, MAX_DEPTH, MAX_NODES, Writer, XmlError, parse};
use proptest::prelude::*;

const ALL: &[Encoding] = &[Encoding::Utf8, Encoding::Gbk, Encoding::Gb18030];

fn read(text: &str) -> Result<Element, XmlError> {
    parse(text.as_bytes(), ALL)
}

#[test]
fn namespaces_texts_and_attributes_are_read() {
    let text = r#"<?xml version="1.0"?><!-- a --><g:R xmlns:g="urn:g" xmlns="urn:d" v="1" g:v="&lt;2&#x33;">
        <A> x &amp; <!-- no -->y&#20013;<![CDATA[<z>]]></A><A/><g:A>3</g:A><B xmlns="">4</B></g:R>
    "#;
    let root = read(text).expect("well-formed");
    assert!(root.is("urn:g", "R"));
    assert_eq!((root.attribute("", "v"), root.attribute("urn:g", "v")), (Some("1"), Some("<23")));
    assert_eq!(root.attributes.len(), 2, "declarations are no attributes");
    assert_eq!(root.text_of("urn:d", "A"), Some("x & y中<z>"));
    assert_eq!(root.child("urn:d", "A").map(|a| a.text.as_str()), Some(" x & y中<z>"));
    assert_eq!(root.children_named("urn:d", "A").count(), 2);
    assert_eq!(root.text_of("urn:g", "A"), Some("3"));
    assert_eq!(root.text_of("", "B"), Some("4"));
    assert_eq!((root.count_named("urn:d", "A"), root.count_named("urn:g", "R")), (2, 1));
}

#[test]
fn a_span_is_the_elements_own_bytes() {
    // 𠀀 has four bytes in GB 18030, two of them digits; 镕 ends in a byte that is a letter in ASCII.
    let body = "<Body ><Name>𠀀丂镕乂</Name></Body >";
    let document =
        |name: &str| format!("<?xml version='1.0' encoding='{name}'?>\n<E><Head>丂</Head>{body}<Z/></E>");
    let cases: [(Vec<u8>, Vec<u8>); 4] = [
        (document("utf-8").into_bytes(), body.into()),
        ([b"\xEF\xBB\xBF".as_slice(), document("UTF-8").as_bytes()].concat(), body.into()),
        (gb(&document("GB18030")), gb(body)),
        (gb(&document("GBK").replace('𠀀', "")), gb(&body.replace('𠀀', ""))),
    ];
    for (raw, expected) in cases {
        let root = parse(&raw, ALL).expect("well-formed");
        let body = root.child("", "Body").expect("there is one");
        assert_eq!(raw[body.span.clone()], expected);
        assert_eq!(&raw[root.child("", "Z").expect("there").span.clone()], b"<Z/>");
        assert_eq!(raw.len(), root.span.end);
        assert!(body.text_of("", "Name").is_some_and(|name| name.ends_with("丂镕乂")));
    }
}

fn gb(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

#[test]
fn only_the_accepted_encodings_that_the_bytes_fit() {
    use XmlError::{EncodingMismatch, EncodingNotAccepted};
    let with = |name: &str, bytes: &[u8]| {
        [format!("<?xml version=\"1.0\" encoding=\"{name}\"?><a>").as_bytes(), bytes, b"</a>"].concat()
    };
    let text = |raw: Vec<u8>| parse(&raw, ALL).map(|root| root.text);
    assert_eq!(text(with("gbk", &gb("团"))), Ok("团".into()));
    assert_eq!(text(with("GBK", &gb("𠀀"))), Err(EncodingMismatch), "four bytes are not GBK");
    assert_eq!(text(with("GBK", b"\x805")), Ok("€5".into()));
    assert_eq!(text(with("GB18030", &gb("𠀀"))), Ok("𠀀".into()));
    assert_eq!(text(with("GB18030", &gb("团")[..1])), Err(EncodingMismatch), "half a character");
    assert_eq!(text(with("UTF-8", &gb("团"))), Err(EncodingMismatch));
    assert_eq!(text(with("GBK", b"\xFF\xFF")), Err(EncodingMismatch));
    for other in ["GB2312", "UTF-16", "ISO-8859-1", ""] {
        assert_eq!(text(with(other, b"x")), Err(EncodingNotAccepted), "{other}");
    }
    assert_eq!(parse(&with("GBK", b"x"), &[Encoding::Utf8]), Err(EncodingNotAccepted));
    assert_eq!(parse(&gb("<a>团</a>"), ALL), Err(EncodingMismatch), "none named means UTF-8");
}

#[test]
fn what_two_readers_could_take_in_two_ways_is_refused() {
    use XmlError::{
        Character, Declaration, Doctype, DuplicateAttribute, Entity, Name, Namespace, NotWellFormed,
        ProcessingInstruction, Root,
    };
    for (text, error) in [
        ("", Root),
        ("  ", Root),
        ("x<a/>", Root),
        ("<a/>x", Root),
        ("<a/><b/>", Root),
        ("<a/>&amp;", Root),
        ("<a/><![CDATA[]]>", Root),
        ("<a>", NotWellFormed),
        ("</a>", NotWellFormed),
        ("<a></b>", NotWellFormed),
        ("<a><b></a></b>", NotWellFormed),
        ("<a", NotWellFormed),
        ("<a>&</a>", NotWellFormed),
        ("<a>]]></a>", NotWellFormed),
        ("<a><!-- -- --></a>", NotWellFormed),
        ("<a b></a>", NotWellFormed),
        ("<a b=1/>", NotWellFormed),
        ("<a b='<'/>", NotWellFormed),
        ("<!DOCTYPE a><a/>", Doctype),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", Doctype),
        ("<?x y?><a/>", ProcessingInstruction),
        ("<a><?xml-stylesheet?></a>", ProcessingInstruction),
        (" <?xml version='1.0'?><a/>", ProcessingInstruction),
        ("<?xml version='1.1'?><a/>", Declaration),
        ("<?xml encoding='UTF-8'?><a/>", Declaration),
        ("<?xml?><a/>", Declaration),
        ("<?xml version='1.0'", Declaration),
        ("<a>&nbsp;</a>", Entity),
        ("<a b='&nbsp;'/>", Entity),
        ("<a>&#0;</a>", Character),
        ("<a>&#xFFFE;</a>", Character),
        ("<a b='&#1;'/>", Character),
        ("<a>\u{1}</a>", Character),
        ("\u{FEFF}\u{FEFF}<a/>", Character),
        ("<1/>", Name),
        ("< a/>", NotWellFormed),
        ("<a:b:c xmlns:a='u'/>", Name),
        ("<p:a/>", Namespace),
        ("<a p:b=''/>", Namespace),
        ("<a xmlns:xml='urn:x'/>", Namespace),
        ("<a xmlns='urn&#58;x'/>", Namespace),
        ("<a xmlns:p=''/>", Namespace),
        ("<a b='' b=''/>", DuplicateAttribute),
        ("<a xmlns='u' xmlns='v'/>", DuplicateAttribute),
        ("<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", DuplicateAttribute),
    ] {
        assert_eq!(read(text).map(|_| ()), Err(error), "{text}");
    }
}

#[test]
fn the_bounds_hold() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(XmlError::TooDeep));
    assert_eq!(read(&nested(100_000)), Err(XmlError::TooDeep));
    let wide = |nodes: usize| format!("<a>{}</a>", "<b/>".repeat(nodes - 1));
    assert!(read(&wide(MAX_NODES)).is_ok());
    assert_eq!(read(&wide(MAX_NODES + 1)), Err(XmlError::TooMany));
    let attributes: String = (0..200_000).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(read(&format!("<a{attributes}/>")), Err(XmlError::TooMany));
    assert_eq!(read(&format!("<a xmlns='{}'/>", "n".repeat(129))), Err(XmlError::Namespace));
}

#[test]
fn nothing_of_the_content_is_in_debug() {
    let shown = format!("{:?}", read("<a b='张三'>11010519491231002X<c>李四</c></a>"));
    assert_eq!(shown, "Ok(<a> at 0..49 with [<c> at 32..45 with []])");
}

#[test]
fn what_is_written_reads_back() {
    let mut writer = Writer::new();
    writer.start("e:E", &[("xmlns:e", "urn:e"), ("note", "a<\"'&>b")]);
    writer.leaf("Text", "<共青团 & \"others\">");
    writer.leaf_with("D", &[("name", "n")], "v");
    writer.raw("<Raw>1</Raw>");
    writer.empty("Empty");
    let text = writer.finish();
    assert!(text.ends_with("<Raw>1</Raw><Empty/></e:E>"), "{text}");
    let root = read(&text).expect("well-formed");
    assert_eq!(root.attribute("", "note"), Some("a<\"'&>b"));
    assert_eq!(root.text_of("", "Text"), Some("<共青团 & \"others\">"));
    assert_eq!(root.children.len(), 4);
}

fn tagged() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<a>"),
        Just("</a>"),
        Just("<b c='d'/>"),
        Just("<x:y xmlns:x='u'>"),
        Just("</x:y>"),
        Just("&lt;"),
        Just("&#65;"),
        Just("&"),
        Just("<!--"),
        Just("-->"),
        Just("<![CDATA["),
        Just("]]>"),
        Just("<?"),
        Just("?>"),
        Just("<!DOCTYPE"),
        Just("团"),
        Just(" "),
        Just("<?xml version='1.0' encoding='GBK'?>"),
        Just("xmlns=''"),
        Just("<"),
        Just(">"),
        Just("'"),
        Just("="),
        Just("\u{0}"),
        Just("text"),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Every span lies inside its parent's, begins with `<` and ends with `>`.
fn spans_hold(element: &Element, raw: &[u8]) -> bool {
    let bytes = &raw[element.span.clone()];
    let inside = |child: &Element| child.span.start > element.span.start && child.span.end < element.span.end;
    bytes.starts_with(b"<")
        && bytes.ends_with(b">")
        && element.children.iter().all(|child| inside(child) && spans_hold(child, raw))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        parse(&raw, ALL).ok();
        let declared = [b"<?xml version='1.0' encoding='GB18030'?><a>".as_slice(), &raw, b"</a>"].concat();
        if let Ok(root) = parse(&declared, ALL) {
            prop_assert!(spans_hold(&root, &declared));
        }
    }

    #[test]
    fn no_markup_panics(text in tagged()) {
        if let Ok(root) = read(&text) {
            prop_assert!(spans_hold(&root, text.as_bytes()));
        }
        let gbk = gb(&format!("<?xml version='1.0' encoding='GBK'?><r>{text}</r>"));
        if let Ok(root) = parse(&gbk, ALL) {
            prop_assert!(spans_hold(&root, &gbk));
        }
    }

    #[test]
    fn any_text_survives(text in "[^\\x00-\\x1F\u{FFFE}\u{FFFF}]{0,40}") {
        let mut writer = Writer::new();
        writer.start("a", &[("b", &text)]);
        writer.leaf("c", &text);
        let root = read(&writer.finish()).expect("well-formed");
        prop_assert_eq!(root.attribute("", "b"), Some(text.as_str()));
        prop_assert_eq!(root.child("", "c").map(|c| c.text.as_str()), Some(text.as_str()));
    }
}
