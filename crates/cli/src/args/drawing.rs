//! How a QR code is drawn, as far as the terminal does not determine it.

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub(crate) struct DrawingArgs {
    /// How to draw the QR code; ASCII needs twice the space. By default half blocks, or ASCII if
    /// the locale (LC_ALL, LC_CTYPE, LANG) is not UTF-8
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_default_value = true,
        value_name = "STYLE"
    )]
    #[arg(conflicts_with_all = ["scan", "qr"])]
    pub(crate) qr_style: QrStyle,

    /// The background of this terminal, for a QR code that is drawn without colours (NO_COLOR,
    /// TERM=dumb)
    #[arg(long, value_enum, default_value_t, value_name = "BACKGROUND")]
    #[arg(conflicts_with_all = ["scan", "qr"])]
    pub(crate) qr_background: QrBackground,
}

/// The characters of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum QrStyle {
    /// Depending on the locale
    #[default]
    Auto,
    /// Two modules per character (UTF-8)
    HalfBlocks,
    /// Two characters per module: coloured spaces, or `#`
    Ascii,
}

/// The background of the terminal, for drawings without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum QrBackground {
    /// Light letters on a dark background
    #[default]
    Dark,
    /// Dark letters on a light background
    Light,
}
