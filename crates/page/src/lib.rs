#![doc = include_str!("../README.md")]
//!
//! | module | what it does |
//! |---|---|
//! | `page` | starts the page, and ends it |
//! | `person` | [`PagePerson`]: shows on the page, and asks there |
//! | `words` | the sentences that a person reads of each event |
//! | `view` | what the page shows at the moment |
//! | `questions` | what is being asked, and who waits for the answer |
//! | `viewer` | one page at a time |
//! | `routes` | what the page asks of this program |
//! | `guard` | who may ask at all: path, `Host`, `Origin`, `Sec-Fetch-Site`; the headers of each response |
//! | `address` | where the page is, and by which names a browser may know it |
//! | `serve` | connections, in bounded number |
//! | `shared` | what the page, its person and its requests have in common |

mod address;
mod guard;
mod page;
mod person;
mod questions;
mod routes;
mod serve;
mod shared;
mod view;
mod viewer;
pub mod words;

pub use self::{
    page::{Page, PageOptions},
    person::PagePerson,
    shared::ReadCode,
    view::PageOutcome,
};
