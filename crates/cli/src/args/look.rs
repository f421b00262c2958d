//! How a QR code is drawn, as far as the terminal does not say it.

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub(crate) struct Look {
    /// How to draw the QR code; ASCII needs twice the room. By default half blocks, and ASCII where
    /// the locale (LC_ALL, LC_CTYPE, LANG) is not UTF-8
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_default_value = true,
        value_name = "STYLE"
    )]
    #[arg(conflicts_with_all = ["scan", "qr"])]
    pub(crate) qr_style: Style,

    /// The background of this terminal, for a QR code that is drawn without colours (NO_COLOR,
    /// TERM=dumb)
    #[arg(long, value_enum, default_value_t, value_name = "BACKGROUND", conflicts_with_all = ["scan", "qr"])]
    pub(crate) qr_background: Background,
}

/// Which characters a drawing is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Style {
    /// As the locale says
    #[default]
    Auto,
    /// Two modules in each character (UTF-8)
    HalfBlocks,
    /// Two characters for each module; spaces in colours, or `#`
    Ascii,
}

/// What is behind the letters, where a drawing cannot say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Background {
    /// Light letters on a dark background
    #[default]
    Dark,
    /// Dark letters on a light background
    Light,
}
