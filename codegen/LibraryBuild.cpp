// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/LibraryBuild.h"

#include "sinter/codegen/cpu/RunFunction.h"
#include "sinter/codegen/cpu/Versions.h"
#include "sinter/codegen/cuda/CudaLibrary.h"
#include "sinter/ir/base/FileIo.h"

namespace fs = std::filesystem;

namespace sinter::codegen {

LibraryBuild::LibraryBuild(mlir::ModuleOp module, PipelineOptions options,
                           const std::vector<TargetInfo> &targets)
    : targets(targets) {
  cpu::requireVersions(targets);
  const std::string name = options.name;
  options.reproducible = true;
  for (size_t i = 0; i < targets.size(); ++i) {
    options.name = cpu::versionName(name, i, targets.size());
    options.target = targets[i];
    mlir::ModuleOp source = module;
    if (targets.size() > 1) // The stages change it in place.
      source = *copies.emplace_back(module.clone());
    compiled.push_back(runPipeline(source, options));
    compiled.back().program().name = name;
  }
}

void LibraryBuild::write(cpu::LibraryForm form, const fs::path &path, const fs::path &header,
                         const ArrayMap &values) const {
  requireLibraryForm(form, targets.front());
  if (header.lexically_normal() == path.lexically_normal())
    throw Error({.code = ErrorCode::Usage},
                "the library would overwrite its header '" + header.string() + "'");
  requireFiles(path, header);
  const std::string fileName = path.filename().string();
  std::string library, text;
  if (targets.front().kind == TargetInfo::Kind::Cuda) {
    if (!values.empty())
      throw Error({.kind = ErrorKind::Unsupported, .op = "compileToLibrary"},
                  "a library for a GPU carries no values: a State of the caller has them");
    const Program &program = compiled.front().planned.program;
    library = cuda::libraryBytes(program, fileName);
    text = cuda::headerText(program);
  } else {
    std::vector<cpu::LibraryVersion> versions;
    std::vector<const Program *> programs;
    for (size_t i = 0; i < targets.size(); ++i) {
      const Compilation &each = compiled[i];
      versions.push_back({.program = &each.planned.program,
                          .kernelObjects = {each.objects.begin(), each.objects.end()},
                          .target = targets[i],
                          .firstSites = firstSitesOf(each.planned)});
      programs.push_back(versions.back().program);
    }
    library = cpu::libraryBytes(form, versions, fileName, values);
    text = cpu::headerText(programs);
  }
  // Both are whole on the disk before either has its name.
  AtomicFile libraryFile(path), headerFile(header);
  libraryFile.write(library.data(), library.size());
  headerFile.write(text.data(), text.size());
  headerFile.commit();
  libraryFile.commit();
}

std::string libraryName(const fs::path &library) {
  constexpr std::string_view customary = "lib";
  std::string name = library.stem().string();
  if (name.starts_with(customary) && name.size() > customary.size())
    name.erase(0, customary.size());
  return name.empty() ? "main" : cpu::toIdentifier(name);
}

static bool isFileOrNothing(fs::path path) {
  if (!path.has_filename())
    return false;
  constexpr int mostLinks = 40;
  std::error_code problem;
  for (int links = 0; links < mostLinks; ++links) {
    // What is open may be a file, but no folder for another one.
    fs::path folder = fs::weakly_canonical(fs::absolute(path, problem).parent_path(), problem);
    if (folder.string().starts_with("/proc/"))
      return false;
    if (!fs::is_symlink(path, problem))
      break;
    path = path.parent_path() / fs::read_symlink(path, problem);
  }
  const fs::file_type type = fs::status(path, problem).type();
  return type == fs::file_type::regular || type == fs::file_type::directory ||
         type == fs::file_type::not_found || type == fs::file_type::unknown ||
         type == fs::file_type::none;
}

void requireFiles(const fs::path &library, const fs::path &header) {
  for (const fs::path &path : {library, header})
    if (!isFileOrNothing(path))
      throw Error({.code = ErrorCode::FileAccess},
                  "cannot write to '" + path.string() +
                      "': a library and its header are two files of a folder");
}

void requireLibraryForm(cpu::LibraryForm form, const TargetInfo &target) {
  if (target.kind == TargetInfo::Kind::Cuda && form != cpu::LibraryForm::Shared)
    throw Error({.kind = ErrorKind::Unsupported,
                 .op = "compileToLibrary",
                 .hint = "--emit=lib makes one, --emit=cubin machine code alone"},
                "a program for a GPU becomes a shared library only");
}

} // namespace sinter::codegen
