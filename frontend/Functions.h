// SPDX-License-Identifier: Apache-2.0
// All functions made of operators, family by family.
#pragma once

#include "sinter/frontend/Arrange.h"
#include "sinter/frontend/Composite.h"
#include "sinter/frontend/Einsum.h"
#include "sinter/frontend/Indexing.h"
#include "sinter/frontend/LinearAlgebra.h"
#include "sinter/frontend/Quantize.h"
#include "sinter/frontend/Random.h"
#include "sinter/frontend/nn/Activation.h"
#include "sinter/frontend/nn/Attention.h"
#include "sinter/frontend/nn/Convolution.h"
#include "sinter/frontend/nn/Loss.h"
#include "sinter/frontend/nn/Normalization.h"
#include "sinter/frontend/nn/Pooling.h"
#include "sinter/frontend/nn/Recurrent.h"
#include "sinter/frontend/nn/Resize.h"
#include "sinter/frontend/nn/Windows.h"
