import TensorModel

/// Rows of texts as lines: the first column to the left, numbers to the right.
func figureTable(_ rows: [[String]]) -> [String] {
  let widths = (rows.first ?? []).indices.map { column in
    rows.map { displayWidth($0[column]) }.max() ?? 0
  }
  return rows.map { row in
    // Nothing follows the last text of a line.
    let last = row.lastIndex { !$0.isEmpty } ?? 0
    return row[...last].enumerated().map { column, text in
      let space = String(repeating: " ", count: widths[column] - displayWidth(text))
      return column > 0 ? space + text : last == 0 ? text : text + space
    }.joined(separator: "  ")
  }
}
