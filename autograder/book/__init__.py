"""The web book: the lessons as a static site, for reading on a phone, on paper and by search engines (`python -m book FOLDER`)."""
