"""Pictures of results: data frames in, Plotly figures out."""
