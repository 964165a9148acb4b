//! Writes the styleguide and its assets into a folder, to be opened in a browser: `styleguide FOLDER [light|dark]`.

use std::path::PathBuf;
use std::{env, fs, io};

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use signpost_app::assets;
use signpost_app::components::{CsrfToken, Tone};
use signpost_app::pages::styleguide::Styleguide;
use signpost_app::shell::{Flash, Frame, SignedIn, Theme, document};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "styleguide".to_owned()));
    let theme = Theme::parse(&arguments.next().unwrap_or_default());
    let html = Owner::new().with(|| {
        provide_meta_context();
        provide_context(CsrfToken("sample".to_owned()));
        provide_context(Frame {
            organisation: "Contoso".to_owned(),
            operator: Some(SignedIn {
                name: "Alice Silva".to_owned(),
                role: "Owner".to_owned(),
            }),
            theme,
            practice: true,
            notices: vec![Flash {
                tone: Tone::Ok,
                title: "Settings saved.".to_owned(),
                detail: String::new(),
            }],
            ..Frame::default()
        });
        document(view! { <Styleguide /> }).to_html()
    });
    fs::create_dir_all(folder.join("assets"))?;
    for asset in assets::all() {
        fs::write(folder.join("assets").join(asset.file_name()), &asset.body)?;
    }
    fs::write(folder.join("index.html"), html)
}
