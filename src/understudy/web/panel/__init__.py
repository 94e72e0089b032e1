"""The raters' panel: a local web site where people judge, rate and talk, and where nothing that they said is lost."""
