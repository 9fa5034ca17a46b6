import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Going on with a conversion that ended among its last steps: sidecars, certificate, names.
@Suite struct ResumingAtTheEndTests {
  /// Brings the sidecars and the certificate, which are written last, into the partial directory.
  ///
  /// - Returns: the names of all files.
  private func completePartial(_ conversion: SmallConversion) throws -> [String] {
    let workspace = conversion.workspace
    try conversion.interruptAtTheEnd()
    var names: [String] = []
    for (path, contents) in conversion.whole where path != "out" {
      let name = URL(filePath: path).lastPathComponent
      names.append(name)
      if !workspace.has("\(conversion.place.partial)/\(name)") {
        try workspace.write("\(conversion.place.partial)/\(name)", contents)
      }
    }
    return names.sorted()
  }

  @Test(arguments: Place.allCases)
  func believesTheCertificateWhenTheJournalIsGone(place: Place) throws {
    let conversion = try SmallConversion(place)
    _ = try completePartial(conversion)
    try conversion.workspace.remove("\(place.partial)/journal")
    #expect(try conversion.resume() == SmallConversion.tensorCount)
  }

  @Test func checksWhatTheCertificateClaimsWhenTheJournalIsGone() throws {
    let conversion = try SmallConversion(.newDirectory)
    _ = try completePartial(conversion)
    try conversion.workspace.remove(".out.partial/journal")
    try conversion.workspace.edit(".out.partial/model-00001-of-00003.safetensors") {
      $0[$0.count - 1] ^= 1
    }
    #expect(try conversion.resume() == SmallConversion.tensorCount - 1)
  }

  /// The first line is on the disk before there is any other file.
  @Test func refusesWorkWithAnEmptyJournal() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.write(".out.partial/journal", Data())
    #expect(failure(of: conversion.request { $0.resume = true })?.code == .conflict)
  }

  /// Nobody knows whose it is.
  @Test func refusesWorkWithoutJournalAndCertificate() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.remove(".out.partial/journal")
    #expect(failure(of: conversion.request { $0.resume = true })?.code == .conflict)
  }

  /// Files get their names in an existing directory one by one; the run can end between any two.
  @Test func worksFromEveryStepOfFillingADirectory() throws {
    let names = try completePartial(SmallConversion(.emptyDirectory))
    let weights = names.filter { $0.hasSuffix(".safetensors") }
    let certificate = "weighbridge-certificate.json"
    let order =
      weights + names.filter { !weights.contains($0) && $0 != certificate } + [certificate]
    #expect(order.count == 7)
    for moved in 0...order.count {
      for hasJournal in moved == order.count ? [true, false] : [true] {
        let conversion = try SmallConversion(.emptyDirectory)
        _ = try completePartial(conversion)
        for name in order.prefix(moved) {
          try conversion.workspace.move("out/.out.partial/\(name)", to: "out/\(name)")
        }
        if !hasJournal { try conversion.workspace.remove("out/.out.partial/journal") }
        #expect(try conversion.resume() == SmallConversion.tensorCount, "after \(moved) files")
      }
    }
  }

  /// The certificate gets its name before the file; the run can end between the two.
  @Test func worksBetweenCertificateAndFile() throws {
    let conversion = try SmallConversion(.file)
    _ = try completePartial(conversion)
    try conversion.workspace.write(
      ".out.safetensors.partial/\(AtomicDestination.publicationName)", Data())
    try conversion.workspace.move(
      ".out.safetensors.partial/out.certificate.json", to: "out.certificate.json")
    #expect(try conversion.resume() == SmallConversion.tensorCount)
  }

  @Test func refusesAnotherPlanWhenTheJournalIsGone() throws {
    let conversion = try SmallConversion(.newDirectory)
    _ = try completePartial(conversion)
    try conversion.workspace.remove(".out.partial/journal")
    let before = try conversion.result()
    let error = failure(
      of: conversion.request(interruptedAt: 1) {
        $0.resume = true
        $0.settings.dtype = .f32
      })
    let after = try conversion.result()
    #expect(error?.code == .conflict)
    #expect(after == before)
  }

  /// The old destination is there until the exchange, so the work for the new one must be resumable beside it.
  @Test func worksForAReplacementToo() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.workspace.folder("out")
    try conversion.workspace.write("out/model.safetensors", Data())
    let error = failure(
      of: conversion.request(interruptedAt: conversion.callCount) { $0.force = true })
    #expect(error?.code == .interrupted)
    #expect(conversion.workspace.names(in: "out") == ["model.safetensors"])
    let outcome = try convert(
      conversion.request {
        $0.force = true
        $0.resume = true
      })
    #expect(outcome.resumedTensorCount == SmallConversion.tensorCount - 1)
    #expect(try conversion.result() == conversion.whole)
  }

}
